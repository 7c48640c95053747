/** Makes a role, or changes its name, its description and from which roles it inherits, after a look at what that does. */
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Role } from "../../api/types";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { rolesQuery } from "../users/queries";
import { Impact } from "./Impact";
import { beyond, RoleModel } from "./model";
import { createRole, previewQuery, saveRole } from "./queries";
import css from "./roles.module.css";
import { some } from "./words";

const same = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((id) => b.includes(id));

export default function EditRole({ role, onClose }: { role?: Role; onClose: (created?: string) => void }) {
  const [base, setBase] = useState(role);
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(role?.description ?? "");
  const [inherits, setInherits] = useState<string[]>(role?.inherits ?? []);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [key, setKey] = useState(once);
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const moved = base !== undefined && !same(inherits, base.inherits);
  const preview = useQuery({ ...previewQuery({ kind: "role", role: base?.id ?? "", inherits }), enabled: moved });
  const looked = !moved || preview.data !== undefined;

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const fields = { name: name.trim(), description: description.trim(), inherits };
      const made = base ? await saveRole(base, changed(base, fields)) : await createRole(key, fields);
      toast(t(base ? "roles.saved" : "roles.made", { name: fields.name }));
      onClose(made ?? undefined);
    } catch (error) {
      const answer = asProblem(error);
      // Somebody was faster: what I changed goes on top of what is there now, after another look.
      if (answer.status === 412 && answer.current) setBase(answer.current as Role);
      setProblem(answer);
      setKey(once());
      setBusy(false);
    }
  };
  const unplaced = problem && problem.fields.every((error) => !["name", "description"].includes(error.field));
  return (
    <Dialog open onClose={busy ? undefined : () => onClose()} maxWidth="sm" fullWidth aria-labelledby="role-title">
      <form onSubmit={submit}>
        <DialogTitle id="role-title">{role ? t("roles.edit.title", { name: roleName(role) }) : t("roles.create")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("field.name")} value={name} onValue={setName} required autoFocus error={told("name")} />
            <Field label={t("roles.description")} value={description} onValue={setDescription} multiline minRows={2} error={told("description")} />
            <Parents role={base} chosen={inherits} onChange={setInherits} />
            {moved && (
              <section>
                <h3 className={parts.legend}>{t("impact.title")}</h3>
                {preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />}
              </section>
            )}
            {problem?.status === 412 ? <p className={parts.fieldError} role="alert">{t("roles.stale")}</p> : unplaced && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => onClose()} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!name.trim() || !looked}>{t(role ? "edit.save" : "roles.create.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** Only what differs is sent. */
function changed(base: Role, { name, description, inherits }: { name: string; description: string; inherits: string[] }) {
  return {
    ...(name !== base.name && { name }),
    ...(description !== base.description && { description }),
    ...(!same(inherits, base.inherits) && { inherits }),
  };
}

function Parents({ role, chosen, onChange }: { role?: Role; chosen: string[]; onChange: (ids: string[]) => void }) {
  const me = useMe();
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const model = useMemo(() => new RoleModel(roles), [roles]);
  const below = role ? model.below(role.id) : new Set<string>();
  const held = new Set(me.permissions);
  return (
    <fieldset className={parts.plain}>
      <legend className={parts.legend}>{t("roles.inherits")}</legend>
      <div className={css.parents}>
        {roles
          .filter((one) => one.id !== role?.id)
          .map((one) => {
            const lacking = beyond(one, model, held);
            const why = below.has(one.id) ? t("parent.below") : lacking.length > 0 ? t("parent.above", { permissions: some(lacking) }) : null;
            const is = chosen.includes(one.id);
            return (
              <FormControlLabel
                key={one.id}
                disabled={why !== null && !is}
                control={<Checkbox checked={is} onChange={(event) => onChange(event.target.checked ? [...chosen, one.id] : chosen.filter((id) => id !== one.id))} />}
                label={
                  <span className={css.option}>
                    {roleName(one)}
                    {why && <small>{why}</small>}
                  </span>
                }
              />
            );
          })}
      </div>
      <span className={parts.note}>{t("parent.note")}</span>
    </fieldset>
  );
}
