/** Asks before an act on many, with how many it is about. All that match are counted by the hub, and that number is what is confirmed. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import { roleName, t } from "../../i18n";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { type BulkAction, countBulk } from "./bulk";
import { actName } from "./BulkMenu";
import { rolesQuery } from "./queries";

interface Props {
  action: BulkAction;
  /** Of the named; null for all that match. */
  count: number | null;
  leftOut: number;
  filter: Record<string, string>;
  run: (reason: string, role: string, expected: number) => Promise<unknown>;
  onClose: () => void;
}

export function BulkQuestion({ action, count, leftOut, filter, run, onClose }: Props) {
  const withRole = action === "assign_role" || action === "revoke_role";
  const [role, setRole] = useState("");
  const roles = useQuery({ ...rolesQuery, enabled: withRole }).data?.items ?? [];
  const chosen = role || roles[0]?.id || "";
  const asked = useQuery({
    queryKey: ["users", "bulk", action, filter],
    // the count does not depend on why or which role
    queryFn: () => countBulk({ action, filter, reason: "count", ...(withRole && { role: chosen }) } as never),
    enabled: count === null && (!withRole || chosen !== ""),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
  const n = count ?? asked.data?.count ?? 0;
  const problem = asked.error ? asProblem(asked.error) : null;
  const impact = count !== null ? impactOf(action, count) : asked.data ? t("many.count", { n, sessions: asked.data.sessions }) : t("many.counting");
  const start = async (reason: string) => {
    try {
      await run(reason, withRole ? chosen : "", n);
    } catch (error) {
      // the number may be another by now: it is shown before it is confirmed again
      if (asProblem(error).code === "users.bulk_count_changed") void asked.refetch();
      throw error;
    }
  };
  return (
    <ConfirmWithImpact
      open
      onClose={onClose}
      title={titleOf(action, n)}
      text={
        <div className={parts.stack}>
          {leftOut > 0 && <p className={parts.muted}>{t("bulk.some", { n: leftOut })}</p>}
          {withRole && <Choice label={t("many.role")} value={chosen} onValue={setRole} options={roles.map((one) => ({ value: one.id, label: roleName(one) }))} />}
          <ErrorLine problem={problem} />
        </div>
      }
      impact={impact}
      action={actName(action)}
      danger={action === "ban" || action === "suspend" || action === "delete"}
      reason={action === "ban" || action === "suspend" ? t("ban.reason") : undefined}
      run={start}
    />
  );
}

function titleOf(action: BulkAction, n: number): string {
  return action === "ban" || action === "unban" || action === "delete" ? t(`bulk.${action}.title`, { n }) : t(`many.${action}.title`, { n });
}

function impactOf(action: BulkAction, n: number): string {
  return action === "ban" || action === "unban" || action === "delete" ? t(`bulk.${action}.impact`, { n }) : t("many.named", { n });
}
