import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useState } from "react";
import { t, type TextId } from "../../i18n";
import parts from "../../parts/parts.module.css";
import type { Conflict, FieldName } from "./merge";
import css from "./users.module.css";

interface Props {
  conflicts: Conflict[];
  labels: Record<FieldName, TextId>;
  onSettle: (keepMine: ReadonlySet<FieldName>) => void;
  onBack: () => void;
}

/** Someone saved first: per field what it was, theirs and mine, and the choice between them. */
export function ConflictView({ conflicts, labels, onSettle, onBack }: Props) {
  const [mine, setMine] = useState<ReadonlySet<FieldName>>(new Set());
  const choose = (field: FieldName, keep: boolean) =>
    setMine((before) => {
      const next = new Set(before);
      if (keep) next.add(field);
      else next.delete(field);
      return next;
    });
  const shown = (value: string) => value || "–";
  return (
    <div className={parts.stack}>
      <Alert severity="warning" icon={false}>{t("conflict.text")}</Alert>
      <table className={css.conflict}>
        <thead>
          <tr>
            <th scope="col">{t("conflict.field")}</th>
            <th scope="col">{t("conflict.was")}</th>
            <th scope="col">{t("conflict.theirs")}</th>
            <th scope="col">{t("conflict.mine")}</th>
          </tr>
        </thead>
        <tbody>
          {conflicts.map(({ field, was, theirs, mine: own }) => (
            <tr key={field}>
              <th scope="row">{t(labels[field])}</th>
              <td>{shown(was)}</td>
              <td>
                <label>
                  <input type="radio" name={field} checked={!mine.has(field)} onChange={() => choose(field, false)} />
                  {shown(theirs)}
                </label>
              </td>
              <td>
                <label>
                  <input type="radio" name={field} checked={mine.has(field)} onChange={() => choose(field, true)} />
                  {shown(own)}
                </label>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <div className={parts.row}>
        <Button variant="contained" onClick={() => onSettle(mine)}>{t("conflict.settle")}</Button>
        <Button variant="text" onClick={onBack}>{t("conflict.back")}</Button>
      </div>
    </div>
  );
}
