/** What can be done to the chosen people together, or to all that match, and what became of each. */
import Button from "@mui/material/Button";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import type { User } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/custody";
import "../../i18n/people";
import type { Filters } from "../../live/kinds";
import { BulkFrame, type Outcome, Outcomes } from "../../parts/bulk";
import parts from "../../parts/parts.module.css";
import { toast } from "../../parts/toast";
import { told } from "../../parts/undo";
import type { Selection } from "../../parts/useSelection";
import { type BulkAction, NEEDS, runBulk, startBulk } from "./bulk";
import { BulkQuestion } from "./BulkQuestion";
import { BulkMenu } from "./BulkMenu";

const BulkRoles = lazy(() => import("./BulkRoles"));

interface Props {
  selection: Selection<User>;
  filters: Filters;
  /** How many the filters find, where that is known exactly. */
  total: number | null;
  /** How many of them are loaded. */
  loaded: number;
}

export default function BulkBar({ selection, filters, total, loaded }: Props) {
  const navigate = useNavigate();
  const [all, setAll] = useState(false);
  const [act, setAct] = useState<BulkAction | null>(null);
  const [done, setDone] = useState<Outcome<User>[] | null>(null);
  const [count, setCount] = useState(0);
  const may = { "users:ban": useMay("users:ban"), "users:delete": useMay("users:delete"), "roles:assign": useMay("roles:assign") };
  const [roles, setRoles] = useState(false);
  const users = [...selection.rows.values()];
  const able = users.filter((user) => suits("assign_role", user));
  const targets = (action: BulkAction) => users.filter((user) => suits(action, user));
  const offered = (["ban", "unban", "suspend", "reinstate", "delete", "assign_role", "revoke_role"] as const).filter((action) => (all ? may[NEEDS[action]] : NEEDS[action] !== "roles:assign" && targets(action).length > 0));

  const named = async (action: BulkAction, reason: string, role: string) => {
    const chosen = targets(action);
    setCount(chosen.length);
    setDone([]);
    // The dialog with the outcomes takes over; it stays until it is closed.
    const outcomes = await runBulk(chosen, { action, ...(reason && { reason }), ...(role && { role }) }, setDone);
    if (action === "ban") offerBack(outcomes.filter((outcome) => outcome.error === null).map((outcome) => outcome.item));
  };
  const found = async (action: BulkAction, reason: string, role: string, expected: number) => {
    const begun = await startBulk({ action, filter: filterOf(filters), expected, ...(reason && { reason }), ...(role && { role }) });
    selection.clear();
    const id = begun.job_id;
    toast(t("many.begun", { n: begun.count }), id ? { label: t("many.watch"), run: () => void navigate({ to: "/jobs/$id", params: { id } }) } : undefined);
  };
  const finish = () => {
    setDone(null);
    selection.clear();
  };
  const offerAll = total !== null && total > users.length && users.length === loaded;
  return (
    <>
      <BulkFrame label={t("bulk.label")} count={users.length} clear={selection.clear}>
        {(offerAll || all) && (
          <Button variant="text" aria-pressed={all} onClick={() => setAll(!all)} data-testid="choose-all">
            {all ? t("many.allChosen", { n: total ?? 0 }) : t("many.all", { n: total ?? 0 })}
          </Button>
        )}
        {!all && able.length > 0 && <Button variant="outlined" onClick={() => setRoles(true)}>{t("bulk.roles")}</Button>}
        {!all && able.length === 0 && offered.length === 0 && <p className={parts.muted}>{t("bulk.none", { n: users.length })}</p>}
        <BulkMenu offered={offered} onAct={setAct} />
      </BulkFrame>
      {act && (
        <BulkQuestion
          action={act}
          count={all ? null : targets(act).length}
          leftOut={all ? 0 : users.length - targets(act).length}
          filter={filterOf(filters)}
          run={(reason, role, expected) => {
            if (all) return found(act, reason, role, expected);
            void named(act, reason, role);
            return Promise.resolve();
          }}
          onClose={() => setAct(null)}
        />
      )}
      <Suspense>
        {roles && (
          <BulkRoles
            users={able}
            left={users.length - able.length}
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

/** Whether the act changes anything about them, as far as this viewer may. */
function suits(action: BulkAction, user: User): boolean {
  const can = (act: string) => user.can?.includes(act) ?? false;
  switch (action) {
    case "ban":
      return can("users.ban") && user.status !== "banned";
    case "unban":
      return user.status === "banned" && (can("users.unban") || can("users.ban"));
    case "suspend":
      return can("users.ban") && (user.status === "active" || user.status === "invited");
    case "reinstate":
      return can("users.ban") && user.status === "suspended";
    case "delete":
      return can("users.delete");
    default:
      return can("roles.assign");
  }
}

function filterOf({ q, status, role, department }: Filters): Record<string, string> {
  return Object.fromEntries(Object.entries({ q, status, role, department }).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** A ban of many can be taken back for those whom it met. */
function offerBack(banned: User[]): void {
  if (banned.length === 0) return;
  told({
    done: t("bulk.ban.done", { n: banned.length }),
    run: async () => {
      const failed = (await runBulk(banned, { action: "unban" }, () => {})).find((outcome) => outcome.error !== null);
      if (failed) throw new Error(`${failed.item.name}: ${failed.error}`);
    },
  });
}
