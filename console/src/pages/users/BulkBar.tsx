/** What can be done to the chosen people together, and what became of each. */
import Button from "@mui/material/Button";
import { lazy, Suspense, useState } from "react";
import type { User } from "../../api/types";
import { t } from "../../i18n";
import { BulkFrame, each, type Outcome, Outcomes } from "../../parts/bulk";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { told } from "../../parts/undo";
import type { Selection } from "../../parts/useSelection";
import { ban, remove, unban } from "./acts";

const BulkRoles = lazy(() => import("./BulkRoles"));

type Act = "ban" | "unban" | "delete";

export default function BulkBar({ selection }: { selection: Selection<User> }) {
  const [act, setAct] = useState<Act | null>(null);
  const [done, setDone] = useState<Outcome<User>[] | null>(null);
  const [count, setCount] = useState(0);
  const [roles, setRoles] = useState(false);
  const users = [...selection.rows.values()];
  const able = (permission: string) => users.filter((user) => user.can?.includes(permission));
  const targets = { ban: able("users.ban").filter((user) => user.status !== "banned"), unban: able("users.unban").concat(able("users.ban").filter((user) => !user.can?.includes("users.unban"))).filter((user) => user.status === "banned"), delete: able("users.delete") };

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
    if (doing === "ban") offerBack(outcomes.filter((outcome) => outcome.error === null).map((outcome) => outcome.item));
  };
  const finish = () => {
    setDone(null);
    selection.clear();
  };
  return (
    <>
      <BulkFrame label={t("bulk.label")} count={users.length} clear={selection.clear}>
        {targets.ban.length > 0 && <Button variant="outlined" color="error" onClick={() => setAct("ban")}>{t("act.ban")}</Button>}
        {targets.unban.length > 0 && <Button variant="outlined" onClick={() => setAct("unban")}>{t("act.unban")}</Button>}
        {able("roles.assign").length > 0 && <Button variant="outlined" onClick={() => setRoles(true)}>{t("bulk.roles")}</Button>}
        {targets.delete.length > 0 && <Button variant="outlined" color="error" onClick={() => setAct("delete")}>{t("act.delete")}</Button>}
      </BulkFrame>
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
      <Suspense>
        {roles && (
          <BulkRoles
            users={able("roles.assign")}
            left={users.length - able("roles.assign").length}
            onClose={(over) => {
              setRoles(false);
              if (over) selection.clear();
            }}
          />
        )}
      </Suspense>
      {done && <Outcomes done={done} count={count} name={(user) => user.name} onClose={finish} />}
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
      if (failed) throw new Error(`${failed.item.name}: ${failed.error}`);
    },
  });
}
