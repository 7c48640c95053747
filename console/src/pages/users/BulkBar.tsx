/** What can be done to the chosen people together, and what became of each. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import type { User } from "../../api/types";
import { number, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { Pill } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Meter } from "../../parts/Meter";
import parts from "../../parts/parts.module.css";
import { told } from "../../parts/undo";
import type { Selection } from "../../parts/useSelection";
import { ban, each, type Outcome, remove, unban } from "./acts";
import css from "./users.module.css";

type Act = "ban" | "unban" | "delete";

export default function BulkBar({ selection }: { selection: Selection<User> }) {
  const [act, setAct] = useState<Act | null>(null);
  const [done, setDone] = useState<Outcome[] | null>(null);
  const [count, setCount] = useState(0);
  const users = [...selection.rows.values()];
  const able = (permission: string) => users.filter((user) => user.can?.includes(permission));
  const targets = { ban: able("users.ban").filter((user) => user.status !== "banned"), unban: able("users.unban").concat(able("users.ban").filter((user) => !user.can?.includes("users.unban"))).filter((user) => user.status === "banned"), delete: able("users.delete") };
  useOffer([{ id: "list.clear", keys: "escape", label: t("bulk.clear"), group: t("keys.list"), run: selection.clear, keyOnly: true }]);

  const run = (doing: Act) => (reason: string) => {
    void work(doing, reason);
    return Promise.resolve();
  };
  const work = async (doing: Act, reason: string) => {
    setCount(targets[doing].length);
    setDone([]);
    const act = { ban: (user: User) => ban(user, reason), unban, delete: remove }[doing];
    // The dialog with the outcomes takes over; it stays until it is closed.
    const outcomes = await each(targets[doing], act, setDone);
    if (doing === "ban") offerBack(outcomes.filter((outcome) => outcome.error === null).map((outcome) => outcome.user));
  };
  const finish = () => {
    setDone(null);
    selection.clear();
  };
  return (
    <>
      <div className={css.bulk} role="toolbar" aria-label={t("bulk.label")}>
        <span aria-live="polite">{t("bulk.selected", { n: users.length })}</span>
        {targets.ban.length > 0 && <Button variant="outlined" color="error" onClick={() => setAct("ban")}>{t("act.ban")}</Button>}
        {targets.unban.length > 0 && <Button variant="outlined" onClick={() => setAct("unban")}>{t("act.unban")}</Button>}
        {targets.delete.length > 0 && <Button variant="outlined" color="error" onClick={() => setAct("delete")}>{t("act.delete")}</Button>}
        <Button variant="text" onClick={selection.clear}>{t("bulk.clear")}</Button>
      </div>
      {(["ban", "unban", "delete"] as const).map((name) => (
        <ConfirmWithImpact
          key={name}
          open={act === name}
          onClose={() => setAct(null)}
          title={t(`bulk.${name}.title`, { n: targets[name].length })}
          text={targets[name].length < users.length ? t("bulk.some", { n: users.length - targets[name].length }) : undefined}
          impact={t(`bulk.${name}.impact`, { n: targets[name].length })}
          action={t(`act.${name}`)}
          danger={name !== "unban"}
          reason={name === "ban" ? t("ban.reason") : undefined}
          run={run(name)}
        />
      ))}
      {done && <Outcomes done={done} count={count} onClose={finish} />}
    </>
  );
}

/** A ban of many can be taken back for those whom it met. */
function offerBack(banned: User[]): void {
  if (banned.length === 0) return;
  told({
    done: t("bulk.ban.done", { n: banned.length }),
    run: async () => {
      const failed = (await each(banned, unban, () => {})).find((outcome) => outcome.error !== null);
      if (failed) throw new Error(`${failed.user.name}: ${failed.error}`);
    },
  });
}

function Outcomes({ done, count, onClose }: { done: Outcome[]; count: number; onClose: () => void }) {
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
            {sorted.map(({ user, error }) => (
              <li key={user.id}>
                <span>{user.name}</span>
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
