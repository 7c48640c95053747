/** Gives a role to many, named by their addresses or ids as they are pasted; says of each what came of it. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Role } from "../../api/types";
import { roleName, t } from "../../i18n";
import { each, type Outcome, Outcomes } from "../../parts/bulk";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { namesIn } from "./pasted";
import { assignMany } from "./queries";

interface Line {
  id: string;
  /** As it was pasted. */
  text: string;
}

/** Lines that are looked up and changed at most. */
const MOST = 1000;

export default function AddMembers({ role, onClose }: { role: Role; onClose: () => void }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState<Outcome<Line>[] | null>(null);
  const names = namesIn(text);
  const many = names.length > MOST;

  const run = async () => {
    const found = new Map<string, string>();
    const lines = names.map((name): Line => ({ id: name, text: name }));
    const looked = await each(lines, async (line) => found.set(await personOf(line.text), line.text), () => {});
    const missing = looked.filter((outcome) => outcome.error !== null);
    const items = found.size > 0 ? await assignMany([...found.keys()], { give: [role.id] }, () => {}) : [];
    const given = items.map((item): Outcome<Line> => ({ item: { id: item.user, text: found.get(item.user) ?? item.user }, error: item.done ? null : (item.detail ?? t("bulk.refused")) }));
    setDone([...missing, ...given]);
  };
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  if (done) return <Outcomes done={done} count={done.length} name={(line) => line.text} onClose={onClose} />;
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="xs" fullWidth aria-labelledby="add-members">
      <form onSubmit={submit}>
        <DialogTitle id="add-members">{t("members.add.title", { role: roleName(role) })}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("members.paste")} value={text} onValue={setText} multiline minRows={5} mono autoFocus note={t("members.pasteNote", { n: names.length })} error={many ? t("members.many", { n: MOST }) : undefined} />
            <ErrorLine problem={problem} />
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={names.length === 0 || many}>{t("members.give", { n: names.length })}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

async function personOf(q: string): Promise<string> {
  const found = (await must(api.GET("/api/v1/find", { params: { query: { q } } }))).items.find((item) => item.kind === "user");
  if (!found) throw new Error(t("members.unknown"));
  return found.id;
}
