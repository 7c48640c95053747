/** All unsaved changes before they are saved: what each role would say, who gains and loses by it, and what collides. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Role } from "../../api/types";
import { queries } from "../../app/queries";
import { roleName, t } from "../../i18n";
import { showRow } from "../../live/store";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { rolesQuery } from "../users/queries";
import { editsNow, setEdits } from "./draft";
import { collisions, decided, differences, type Edits, statementsWith, without } from "./edits";
import { Impact } from "./Impact";
import { previewQuery, saveRole } from "./queries";
import css from "./roles.module.css";
import { saysWords } from "./words";

interface Props {
  roles: Role[];
  edits: Edits;
  onClose: () => void;
}

export default function Review({ roles, edits, onClose }: Props) {
  const changed = roles.filter((role) => edits.has(role.id));
  const [looked, setLooked] = useState<ReadonlyMap<string, string>>(new Map());
  const [busy, setBusy] = useState(false);
  const [faults, setFaults] = useState<ReadonlyMap<string, ReturnType<typeof asProblem>>>(new Map());
  const seen = (role: Role) => looked.get(role.id) === stamp(role, edits);
  const ready = changed.every((role) => seen(role) && collisions(role, edits).length === 0);
  const look = useRef((id: string, what: string) => setLooked((before) => (before.get(id) === what ? before : new Map(before).set(id, what))));

  /** One after the other; where one is refused, the others are saved all the same and this one stays. */
  const save = async () => {
    setBusy(true);
    const failed = new Map<string, ReturnType<typeof asProblem>>();
    for (const role of changed) {
      try {
        await saveRole(role, { statements: statementsWith(role, edits) });
        setEdits(without(editsNow(), role.id));
      } catch (error) {
        const problem = asProblem(error);
        if (problem.status === 412 && problem.current) showRow("role", problem.current as Role);
        failed.set(role.id, problem);
      }
    }
    await queries.invalidateQueries({ queryKey: rolesQuery.queryKey });
    setBusy(false);
    setFaults(failed);
    if (failed.size > 0) return;
    toast(t("matrix.saved", { n: changed.length }));
    onClose();
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="sm" fullWidth aria-labelledby="review-title">
      <DialogTitle id="review-title">{t("review.title")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          {changed.map((role) => (
            <OneRole key={role.id} role={role} edits={edits} fault={faults.get(role.id)} onLooked={look.current} />
          ))}
          {changed.length > 1 && <p className={parts.note}>{t("review.several")}</p>}
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="text" onClick={onClose} disabled={busy}>{t("review.back")}</Button>
        <Button variant="contained" onClick={() => void save()} loading={busy} disabled={!ready}>{t("edit.save")}</Button>
      </DialogActions>
    </Dialog>
  );
}

/** Names what was looked at: another version or another change is to be looked at again. */
const stamp = (role: Role, edits: Edits): string => `${role.version} ${JSON.stringify(statementsWith(role, edits))}`;

function OneRole({ role, edits, fault, onLooked }: { role: Role; edits: Edits; fault?: ReturnType<typeof asProblem>; onLooked: (id: string, stamp: string) => void }) {
  const statements = statementsWith(role, edits);
  const preview = useQuery(previewQuery({ kind: "role", role: role.id, statements }));
  const what = stamp(role, edits);
  const there = preview.data !== undefined && !preview.isFetching;
  useEffect(() => {
    if (there) onLooked(role.id, what);
  }, [there, role.id, what, onLooked]);
  return (
    <section className={css.review} aria-label={roleName(role)} data-testid="review">
      <h3>{roleName(role)}</h3>
      <ul className={css.diff}>
        {differences(role.statements, statements).map(({ permission, before, after }) => (
          <li key={permission} className={before === null ? css.came : after === null ? css.went : undefined}>
            <code>{permission}</code> {saysWords(before)} → {saysWords(after)}
          </li>
        ))}
      </ul>
      <Collisions role={role} edits={edits} />
      {preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />}
      {fault && (fault.status === 412 ? <p className={parts.fieldError} role="alert">{t("review.stale")}</p> : <ErrorLine problem={fault} />)}
    </section>
  );
}

function Collisions({ role, edits }: { role: Role; edits: Edits }) {
  const found = collisions(role, edits);
  if (found.length === 0) return null;
  return (
    <div className={css.collisions} role="group" aria-label={t("review.collide")}>
      <p>{t("review.collide")}</p>
      {found.map(({ permission, was, theirs, mine }) => (
        <div key={permission}>
          <span>
            <code>{permission}</code> <small>{t("review.was", { words: saysWords(was) })}</small>
          </span>
          <Button variant="outlined" onClick={() => setEdits(decided(editsNow(), role, permission, true))}>{t("review.mine", { words: saysWords(mine) })}</Button>
          <Button variant="outlined" onClick={() => setEdits(decided(editsNow(), role, permission, false))}>{t("review.theirs", { words: saysWords(theirs) })}</Button>
        </div>
      ))}
    </div>
  );
}
