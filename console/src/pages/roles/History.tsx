/** Who changed what of a role, newest first, as differences. */
import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import type { Audit, Role, Statement } from "../../api/types";
import { t } from "../../i18n";
import { Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { entryText } from "../audit/words";
import { differences } from "./edits";
import { historyQuery } from "./queries";
import css from "./roles.module.css";
import { Said } from "./Said";
import { namesOf } from "./words";

export function History({ role, roles }: { role: Role; roles: Role[] }) {
  const query = useInfiniteQuery(historyQuery(role.id, role.version));
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={4} height={44} />;
  const entries = query.data.pages.flatMap((page) => page.items);
  if (entries.length === 0) return <EmptyState icon="audit" title={t("history.empty.title")} text={t("history.empty.text")} />;
  return (
    <>
      <ol className={css.history} data-testid="history">
        {entries.map((entry) => (
          <li key={entry.id}>
            <div className={css.did}>
              <span>
                {entry.actor.id ? <Link to="/users/$id" params={{ id: entry.actor.id }}>{entry.actor.name ?? t("actor.someone")}</Link> : <b>{t("actor.system")}</b>} {entryText(entry)}
              </span>
              <Time at={entry.at} />
            </div>
            <Differences entry={entry} roles={roles} />
          </li>
        ))}
      </ol>
      {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
    </>
  );
}

interface Change<T> {
  before?: T | null;
  after?: T | null;
}

function Differences({ entry, roles }: { entry: Audit; roles: Role[] }) {
  const { statements, inherits, name, description } = (entry.changes ?? {}) as { statements?: Change<Statement[]>; inherits?: Change<string[]>; name?: Change<string>; description?: Change<string> };
  const said = statements ? differences(statements.before ?? [], statements.after ?? []) : [];
  const [gone, came] = [(inherits?.before ?? []).filter((id) => !inherits?.after?.includes(id)), (inherits?.after ?? []).filter((id) => !inherits?.before?.includes(id))];
  return (
    <ul className={css.diff}>
      {name && <li>{t("history.name", { before: name.before || "–", after: name.after || "–" })}</li>}
      {description && (description.before || description.after) && <li>{t("history.description", { before: description.before || "–", after: description.after || "–" })}</li>}
      {came.length > 0 && <li className={css.came}>{t("history.came", { names: namesOf(came, roles) })}</li>}
      {gone.length > 0 && <li className={css.went}>{t("history.went", { names: namesOf(gone, roles) })}</li>}
      <Said differences={said} />
    </ul>
  );
}
