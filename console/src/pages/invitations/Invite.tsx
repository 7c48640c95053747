import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { useWhy } from "../../auth/session";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { RolePicker } from "../users/RolePicker";
import { invite } from "./queries";

export default function Invite({ onClose, onInvited }: { onClose: () => void; onInvited: () => void }) {
  const noRoles = useWhy("roles:assign", "roles:read");
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [roles, setRoles] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  // One key for this form: sent twice, it invites once.
  const [key, setKey] = useState(once);
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await invite({ email: email.trim(), name: name.trim(), roles }, key);
      toast(t("invitations.sent", { email: email.trim() }));
      onInvited();
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setKey(once());
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="xs" fullWidth aria-labelledby="invite-title">
      <form onSubmit={submit}>
        <DialogTitle id="invite-title">{t("invitations.invite")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("field.name")} value={name} onValue={setName} required autoFocus error={told("name")} />
            <Field label={t("field.email")} type="email" value={email} onValue={setEmail} required error={told("email")} note={t("invitations.emailNote")} />
            {noRoles === null ? <RolePicker chosen={roles} onChange={setRoles} /> : <p className={parts.note}>{t("field.roles")}: {noRoles}</p>}
            {problem && !["name", "email"].some(told) && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!name.trim() || !email.trim()}>{t("invitations.invite.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
