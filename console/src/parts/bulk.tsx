/** An act on many: done to each, and what became of each. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import type { ReactNode } from "react";
import { number, t } from "../i18n";
import "../i18n/people";
import { useOffer } from "../keys/registry";
import { Pill } from "./basics";
import css from "./bulk.module.css";
import { Meter } from "./Meter";
import parts from "./parts.module.css";

export interface Outcome<T> {
  item: T;
  error: string | null;
}

/** How many of a choice are worked on at once. */
const TOGETHER = 4;

/** Does `act` to each and tells what became of each; one failure stops no other. */
export async function each<T>(items: T[], act: (item: T) => Promise<unknown>, told: (done: Outcome<T>[]) => void): Promise<Outcome<T>[]> {
  const waiting = [...items];
  const done: Outcome<T>[] = [];
  const work = async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) {
      const error = await act(item).then(
        () => null,
        (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
      );
      done.push({ item, error });
      told([...done]);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  return done;
}

/** What can be done to the chosen rows together. */
export function BulkFrame({ label, count, clear, children }: { label: string; count: number; clear: () => void; children: ReactNode }) {
  useOffer([{ id: "list.clear", keys: "escape", label: t("bulk.clear"), group: t("keys.list"), run: clear, keyOnly: true }]);
  return (
    <div className={css.bulk} data-bulk role="toolbar" aria-label={label}>
      <span aria-live="polite">{t("bulk.selected", { n: count })}</span>
      {children}
      <Button variant="text" onClick={clear}>{t("bulk.clear")}</Button>
    </div>
  );
}

export function Outcomes<T extends { id: string }>({ done, count, name, onClose }: { done: Outcome<T>[]; count: number; name: (item: T) => string; onClose: () => void }) {
  const failed = done.filter((outcome) => outcome.error !== null);
  const over = done.length === count;
  const sorted = [...done].sort((a, b) => Number(b.error !== null) - Number(a.error !== null));
  return (
    <Dialog open onClose={over ? onClose : undefined} maxWidth="sm" fullWidth aria-labelledby="outcomes-title">
      <DialogTitle id="outcomes-title">{over ? t("bulk.over", { ok: done.length - failed.length, failed: failed.length }) : t("bulk.working")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <div className={parts.bar}>
            <Meter share={count === 0 ? 1 : done.length / count} label={t("bulk.working")} />
            <span>{t("progress.of", { done: number(done.length), total: number(count) })}</span>
          </div>
          <ul className={css.results} tabIndex={0} aria-label={t("bulk.results")}>
            {sorted.map(({ item, error }) => (
              <li key={item.id} className={error === null ? undefined : css.refused}>
                <span>{name(item)}</span>
                {error === null ? <Pill tone="ok">{t("bulk.done")}</Pill> : <span className={parts.fieldError}>{error}</span>}
              </li>
            ))}
          </ul>
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="outlined" onClick={onClose} disabled={!over}>{t("close")}</Button>
      </DialogActions>
    </Dialog>
  );
}
