import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { useMay } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { Choice, Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { rolesQuery } from "../users/queries";
import { allow } from "./queries";

export function Allow({ onClose, onAllowed }: { onClose: () => void; onAllowed: () => void }) {
  const mayRoles = useMay("roles:read");
  const roles = useQuery({ ...rolesQuery, enabled: mayRoles }).data?.items ?? [];
  const [cidr, setCidr] = useState("");
  const [note, setNote] = useState("");
  const [role, setRole] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const rule = await allow(cidr, note, role || undefined);
      toast(t("addresses.added", { cidr: rule.cidr }));
      onAllowed();
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="xs" fullWidth aria-labelledby="allow-title">
      <form onSubmit={submit}>
        <DialogTitle id="allow-title">{t("addresses.add")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("addresses.cidr")} value={cidr} onValue={setCidr} required autoFocus error={told("cidr")} note={t("addresses.cidrNote")} />
            <Field label={t("addresses.note")} value={note} onValue={setNote} error={told("note")} />
            {roles.length > 0 && <Choice label={t("addresses.for")} value={role} onValue={setRole} options={[{ value: "", label: t("addresses.everybody") }, ...roles.map((one) => ({ value: one.id, label: t("addresses.role", { role: roleName(one) }) }))]} error={told("role")} />}
            {problem && problem.fields.length === 0 && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!cidr.trim()}>{t("addresses.add.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
