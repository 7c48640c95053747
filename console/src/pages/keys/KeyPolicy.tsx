/** How long keys may live in this organization, and its change. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../../app/queries";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Act } from "../../parts/Act";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { toast } from "../../parts/toast";
import { policyQuery, savePolicy } from "./queries";

/** The longest that can be asked for, in days. */
const MOST = 3650;

export function KeyPolicy({ onChanged }: { onChanged: () => void }) {
  const policy = useQuery(policyQuery).data;
  const may = useMay("settings:update");
  const [days, setDays] = useState<string | null>(null);
  if (!policy) return null;
  const now = policy.max_days ?? null;
  const wanted = days?.trim() ? Number(days) : null;
  const wrong = wanted !== null && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= MOST);
  const shorter = wanted !== null && (now === null || wanted < now);
  const save = async () => {
    if (wrong) throw new Error(t("keys.policy.wrong", { n: MOST }));
    await savePolicy(wanted);
    await queries.invalidateQueries({ queryKey: policyQuery.queryKey });
    toast(t("keys.policy.saved"));
    onChanged();
  };
  return (
    <>
      <Act variant="outlined" why={may ? null : t("keys.policy.why")} onClick={() => setDays(now === null ? "" : String(now))}>
        {now === null ? t("keys.policy.none") : t("keys.policy.now", { n: now })}
      </Act>
      <ConfirmWithImpact
        open={days !== null}
        onClose={() => setDays(null)}
        title={t("keys.policy")}
        text={
          <div className={parts.stack}>
            <Field label={t("keys.policy.days")} type="number" value={days ?? ""} onValue={setDays} autoFocus note={t("keys.policy.note")} error={wrong ? t("keys.policy.wrong", { n: MOST }) : undefined} />
          </div>
        }
        impact={shorter && !wrong ? t("keys.policy.impact") : undefined}
        action={t("edit.save")}
        danger={shorter}
        run={save}
      />
    </>
  );
}
