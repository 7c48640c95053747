/** Gives a role to the chosen people, or takes it from them, and says what came of each. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { User } from "../../api/types";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { type Outcome, Outcomes } from "../../parts/bulk";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { beyond, RoleModel } from "../roles/model";
import { assignMany, type BulkItem } from "../roles/queries";
import { rolesQuery } from "./queries";

export default function BulkRoles({ users, left, onClose }: { users: User[]; left: number; onClose: (done: boolean) => void }) {
  const me = useMe();
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const givable = useMemo(() => {
    const [model, held] = [new RoleModel(roles), new Set(me.permissions)];
    return roles.filter((role) => beyond(role, model, held).length === 0);
  }, [roles, me.permissions]);
  const [act, setAct] = useState<"give" | "take">("give");
  const [role, setRole] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState<Outcome<User>[] | null>(null);
  const outcome = ({ user, done: well, detail }: BulkItem): Outcome<User>[] => {
    const item = users.find((one) => one.id === user);
    return item ? [{ item, error: well ? null : (detail ?? t("bulk.refused")) }] : [];
  };
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const items = await assignMany(users.map((user) => user.id), { [act]: [role] }, () => {});
      setDone(items.flatMap(outcome));
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  if (done) return <Outcomes done={done} count={done.length} name={(user) => user.name} onClose={() => onClose(true)} />;
  return (
    <Dialog open onClose={busy ? undefined : () => onClose(false)} maxWidth="xs" fullWidth aria-labelledby="bulk-roles">
      <form onSubmit={submit}>
        <DialogTitle id="bulk-roles">{t("bulk.roles.title", { n: users.length })}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Choice label={t("bulk.roles.act")} value={act} onValue={(value) => setAct(value as "give" | "take")} options={[{ value: "give", label: t("bulk.roles.give") }, { value: "take", label: t("bulk.roles.take") }]} />
            <Choice label={t("field.role")} value={role} onValue={setRole} note={givable.length < roles.length ? t("bulk.roles.some") : undefined} options={[{ value: "", label: t("bulk.roles.choose") }, ...givable.map((one) => ({ value: one.id, label: roleName(one) }))]} />
            {left > 0 && <p className={parts.note}>{t("bulk.some", { n: left })}</p>}
            <ErrorLine problem={problem} />
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => onClose(false)} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant={act === "take" ? "outlined" : "contained"} color={act === "take" ? "error" : "primary"} loading={busy} disabled={!role}>{t(act === "give" ? "bulk.roles.give" : "bulk.roles.take")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
