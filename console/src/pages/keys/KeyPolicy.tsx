/** How long keys may live in this organization, and the way to change it. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Act } from "../../parts/Act";
import { policyQuery } from "./queries";

const EditPolicy = lazy(() => import("./EditPolicy"));

export function KeyPolicy({ onChanged }: { onChanged: () => void }) {
  const policy = useQuery(policyQuery).data;
  const may = useMay("settings:update");
  const [editing, setEditing] = useState(false);
  if (!policy) return null;
  const now = policy.max_days ?? null;
  return (
    <>
      <Act variant="outlined" why={may ? null : t("keys.policy.why")} onClick={() => setEditing(true)}>
        {now === null ? t("keys.policy.none") : t("keys.policy.now", { n: now })}
      </Act>
      <Suspense>{editing && <EditPolicy now={now} onChanged={onChanged} onClose={() => setEditing(false)} />}</Suspense>
    </>
  );
}
