import Button from "@mui/material/Button";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { asProblem } from "../../api/problem";
import { t } from "../../i18n";
import { Pill, Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { actText } from "../audit/words";
import { activityQuery, sessionsQuery } from "./queries";
import css from "./users.module.css";

export function SessionsTab({ id }: { id: string }) {
  const query = useQuery(sessionsQuery(id));
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={3} height={44} />;
  if (query.data.items.length === 0) return <EmptyState icon="key" title={t("sessions.empty.title")} text={t("sessions.empty.text")} />;
  return (
    <ul className={css.list}>
      {query.data.items.map((session) => (
        <li key={session.id}>
          <div>
            {session.user_agent || t("sessions.unknown")}
            <small>
              {session.ip} · {t("sessions.began")} <Time at={session.created_at} />
            </small>
          </div>
          {session.current && <Pill tone="ok">{t("sessions.current")}</Pill>}
          <Time at={session.last_seen_at ?? session.created_at} />
        </li>
      ))}
    </ul>
  );
}

export function ActivityTab({ id }: { id: string }) {
  const query = useInfiniteQuery(activityQuery(id));
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={4} height={44} />;
  const items = query.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <EmptyState icon="audit" title={t("activity.empty.title")} text={t("activity.empty.text")} />;
  return (
    <>
      <ul className={css.list}>
        {items.map((item) => (
          <li key={item.id}>
            <div>
              <b>{item.actor?.name ?? t("actor.system")}</b> {actText(item.action, t("activity.this"), item.text)}
              <small>{item.action}</small>
            </div>
            <Time at={item.at} />
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>
      )}
    </>
  );
}
