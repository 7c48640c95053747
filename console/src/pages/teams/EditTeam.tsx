import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Team } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { teamsQuery } from "../users/queries";
import { createTeam, saveTeam } from "./queries";

export default function EditTeam({ team, onClose }: { team?: Team; onClose: (created?: string) => void }) {
  const [base, setBase] = useState(team);
  const [name, setName] = useState(team?.name ?? "");
  const [description, setDescription] = useState(team?.description ?? "");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [key, setKey] = useState(once);
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const fields = { name: name.trim(), description: description.trim() };
    try {
      let made: string | undefined;
      if (base) await saveTeam(base, { ...(fields.name !== base.name && { name: fields.name }), ...(fields.description !== base.description && { description: fields.description }) });
      else made = await createTeam(key, fields);
      if (made) await queries.invalidateQueries({ queryKey: teamsQuery.queryKey });
      toast(t(team ? "teams.saved" : "teams.made", { name: fields.name }));
      onClose(made);
    } catch (error) {
      const answer = asProblem(error);
      // Somebody was faster: the next saving goes on top of what is there now.
      if (answer.status === 412 && answer.current) setBase(answer.current as Team);
      setProblem(answer);
      setKey(once());
      setBusy(false);
    }
  };
  const unplaced = problem && problem.fields.every((error) => !["name", "description"].includes(error.field));
  return (
    <Dialog open onClose={busy ? undefined : () => onClose()} maxWidth="xs" fullWidth aria-labelledby="team-title">
      <form onSubmit={submit}>
        <DialogTitle id="team-title">{team ? t("teams.edit.title", { name: team.name }) : t("teams.create")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("field.name")} value={name} onValue={setName} required autoFocus error={told("name")} />
            <Field label={t("roles.description")} value={description} onValue={setDescription} multiline minRows={2} error={told("description")} />
            {problem?.status === 412 ? <p className={parts.fieldError} role="alert">{t("teams.stale")}</p> : unplaced && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => onClose()} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!name.trim()}>{t(team ? "edit.save" : "teams.create.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
