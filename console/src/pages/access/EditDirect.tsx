/** Says something of a person directly, or no longer, after a look at what that does. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Access, Statement, User } from "../../api/types";
import { t } from "../../i18n";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { Impact } from "../roles/Impact";
import { saysOf } from "../roles/model";
import { previewQuery, type Single } from "../roles/queries";
import { saysWords } from "../roles/words";
import { AddStatement } from "./AddStatement";
import css from "./access.module.css";
import { sayDirectly } from "./queries";
import { RowName } from "./RowName";

export default function EditDirect({ user, access, onClose }: { user: User; access: Access; onClose: () => void }) {
  const [statements, setStatements] = useState<Statement[]>(access.statements ?? []);
  const [single, setSingle] = useState<Single[]>((access.single ?? []) as Single[]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const changed = JSON.stringify([statements, single]) !== JSON.stringify([access.statements ?? [], access.single ?? []]);
  const preview = useQuery({ ...previewQuery({ kind: "permissions", user: user.id, statements, single }), enabled: changed });
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await sayDirectly(user.id, statements, single);
      toast(t("access.saved", { name: user.name }));
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  const add = (statement: Statement | null, one: Single | null) => {
    setProblem(null);
    if (statement) setStatements((before) => [...before.filter((other) => other.permission !== statement.permission), statement]);
    if (one) setSingle((before) => [...before.filter((other) => other.permission !== one.permission || other.resource.id !== one.resource.id), one]);
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="sm" fullWidth aria-labelledby="direct-title">
      <DialogTitle id="direct-title">{t("access.direct.title", { name: user.name })}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <ul className={css.list}>
            {statements.map((statement) => (
              <li key={statement.permission}>
                <span>
                  <code>{statement.permission}</code>
                  <small>{saysWords(saysOf(statement))}</small>
                </span>
                <Button variant="text" aria-label={t("access.remove.of", { permission: statement.permission })} onClick={() => setStatements((before) => before.filter((other) => other !== statement))}>{t("access.remove")}</Button>
              </li>
            ))}
            {single.map((one) => (
              <li key={`${one.permission} ${one.resource.id}`}>
                <span>
                  <code>{one.permission}</code>
                  <small>
                    {t(one.effect === "deny" ? "access.denied" : "access.granted")} <RowName row={one.resource} />
                  </small>
                </span>
                <Button variant="text" aria-label={t("access.remove.of", { permission: one.permission })} onClick={() => setSingle((before) => before.filter((other) => other !== one))}>{t("access.remove")}</Button>
              </li>
            ))}
          </ul>
          <AddStatement onAdd={add} />
          {changed && (preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />)}
          <ErrorLine problem={problem} />
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
        <Button variant="contained" onClick={() => void save()} loading={busy} disabled={!changed || !preview.data || preview.isFetching}>{t("edit.save")}</Button>
      </DialogActions>
    </Dialog>
  );
}
