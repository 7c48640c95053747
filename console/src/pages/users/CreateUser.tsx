import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { api, must, once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { useWhy } from "../../auth/session";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { draftOf, FIELDS, isObject, isWritable, valueOf } from "./merge";
import { LABELS } from "./Profile";
import { RolePicker } from "./RolePicker";
import css from "./users.module.css";

const EMPTY = { ...draftOf({}), password: "" };
/** What is seldom known at the start waits behind "More". */
const MORE = ["profile_image", "employment_equity", "metadata"] as const;

export default function CreateUser({ onClose }: { onClose: (created?: string) => void }) {
  const [draft, setDraft] = useState(EMPTY);
  const [roles, setRoles] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  // One key for this form: sent twice, it makes one person.
  const [key, setKey] = useState(once);
  const noRoles = useWhy("roles:assign", "roles:read");
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const writable = FIELDS.every((field) => isWritable(field, draft[field]));
  const set = (field: keyof typeof EMPTY) => (value: string) => setDraft((before) => ({ ...before, [field]: value }));

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const given = Object.fromEntries(FIELDS.map((field) => [field, valueOf(field, draft[field])]).filter(([, value]) => value !== null));
      const body = { ...given, ...(draft.password && { password: draft.password }), ...(roles.length > 0 && { roles }) };
      const user = await must(api.POST("/api/v1/users", { params: { header: key } as never, body: body as never }));
      toast(t("create.done", { name: draft.name }));
      onClose(user.id);
    } catch (error) {
      setProblem(asProblem(error));
      setKey(once());
      setBusy(false);
    }
  };
  const unplaced = problem && problem.fields.every((error) => !(error.field in EMPTY));
  return (
    <Dialog open onClose={busy ? undefined : () => onClose()} maxWidth="xs" fullWidth aria-labelledby="create-title">
      <form onSubmit={submit}>
        <DialogTitle id="create-title">{t("users.create")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("field.name")} value={draft.name} onValue={set("name")} required autoFocus error={told("name")} />
            <Field label={t("field.email")} type="email" value={draft.email} onValue={set("email")} required error={told("email")} />
            <Field label={t("field.department")} value={draft.department} onValue={set("department")} error={told("department")} />
            <Field label={t("field.phone")} type="tel" value={draft.phone} onValue={set("phone")} error={told("phone")} />
            <Field label={t("create.password")} type="password" autoComplete="new-password" value={draft.password} onValue={set("password")} error={told("password")} note={t("create.passwordNote")} />
            {noRoles === null ? <RolePicker chosen={roles} onChange={setRoles} /> : <p className={parts.note}>{t("field.roles")}: {noRoles}</p>}
            <details className={css.more}>
              <summary>{t("create.more")}</summary>
              <div className={parts.stack}>
                {MORE.map((field) => (
                  <Field
                    key={field}
                    label={t(LABELS[field])}
                    value={draft[field]}
                    onValue={set(field)}
                    error={isWritable(field, draft[field]) ? told(field) : t("field.objectError")}
                    {...(isObject(field) && { multiline: true, minRows: 2, note: t("field.objectNote"), mono: true })}
                  />
                ))}
              </div>
            </details>
            {unplaced && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => onClose()} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!draft.name.trim() || !draft.email.trim() || !writable}>{t("create.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
