/** All unsaved changes before they are saved, at once or not at all: what each role would say, who gains and loses, what collides. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
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
import { previewQuery, type RoleEdit, saveRoles } from "./queries";
import css from "./roles.module.css";
import { Said } from "./Said";
import { saysWords } from "./words";

interface Props {
  roles: Role[];
  edits: Edits;
  onClose: () => void;
}

/** What was looked at and is saved: every changed role, of the version that is shown. */
const wishes = (changed: Role[], edits: Edits): RoleEdit[] => changed.map((role) => ({ role: role.id, version: role.version, statements: statementsWith(role, edits) }));

export default function Review({ roles, edits, onClose }: Props) {
  const changed = roles.filter((role) => edits.has(role.id));
  const wanted = wishes(changed, edits);
  const preview = useQuery(previewQuery({ kind: "several_roles", changes: wanted }));
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Problem | null>(null);
  const looked = preview.data !== undefined && !preview.isFetching;
  const colliding = changed.some((role) => collisions(role, edits).length > 0);

  const save = async () => {
    setBusy(true);
    setFault(null);
    try {
      for (const role of await saveRoles(wanted)) showRow("role", role);
      setEdits(wanted.reduce((left, { role }) => without(left, role), editsNow()));
      toast(t("matrix.saved", { n: wanted.length }));
      onClose();
    } catch (error) {
      const problem = asProblem(error);
      // What somebody else saved a moment before is shown at once, and is to be looked at again.
      for (const role of newer(problem)) showRow("role", role);
      setFault(problem);
      setBusy(false);
    }
    await queries.invalidateQueries({ queryKey: rolesQuery.queryKey });
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="sm" fullWidth aria-labelledby="review-title">
      <DialogTitle id="review-title">{t("review.title")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          {changed.map((role) => (
            <OneRole key={role.id} role={role} edits={edits} />
          ))}
          <section className={css.outcome} aria-labelledby="review-outcome">
            <h3 id="review-outcome">{t(changed.length > 1 ? "review.together" : "impact.title")}</h3>
            {preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />}
          </section>
          {fault && <NotSaved problem={fault} />}
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="text" onClick={onClose} disabled={busy}>{t("review.back")}</Button>
        <Button variant="contained" onClick={() => void save()} loading={busy} disabled={!looked || colliding}>{t("edit.save")}</Button>
      </DialogActions>
    </Dialog>
  );
}

/** Roles that somebody else changed, as they are now, where that is why nothing was saved. */
const newer = (problem: Problem): Role[] => (problem.status === 412 ? ((problem.current as { items?: Role[] } | null)?.items ?? []) : []);

function NotSaved({ problem }: { problem: Problem }) {
  const names = newer(problem).map(roleName).join(", ");
  return names ? (
    <p className={parts.fieldError} role="alert">{t("review.stale", { names })}</p>
  ) : (
    <div>
      <p className={parts.fieldError}>{t("review.unsaved")}</p>
      <ErrorLine problem={problem} />
    </div>
  );
}

function OneRole({ role, edits }: { role: Role; edits: Edits }) {
  return (
    <section className={css.review} aria-label={roleName(role)} data-testid="review">
      <h3>{roleName(role)}</h3>
      <ul className={css.diff}>
        <Said differences={differences(role.statements, statementsWith(role, edits))} />
      </ul>
      <Collisions role={role} edits={edits} />
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
