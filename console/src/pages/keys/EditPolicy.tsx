/** Sets the longest life of keys, after telling that it shortens those that would live longer. */
import { useState } from "react";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Field } from "../../parts/Field";
import { toast } from "../../parts/toast";
import { policyQuery, savePolicy } from "./queries";

/** The longest that can be asked for, in days. */
const MOST = 3650;

export default function EditPolicy({ now, onChanged, onClose }: { now: number | null; onChanged: () => void; onClose: () => void }) {
  const [days, setDays] = useState(now === null ? "" : String(now));
  const wanted = days.trim() ? Number(days) : null;
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
    <ConfirmWithImpact
      open
      onClose={onClose}
      title={t("keys.policy")}
      text={<Field label={t("keys.policy.days")} type="number" value={days} onValue={setDays} autoFocus note={t("keys.policy.note")} error={wrong ? t("keys.policy.wrong", { n: MOST }) : undefined} />}
      impact={shorter && !wrong ? t("keys.policy.impact") : undefined}
      action={t("edit.save")}
      danger={shorter}
      run={save}
    />
  );
}
