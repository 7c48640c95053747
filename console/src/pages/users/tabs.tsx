import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { actText, whoDid } from "../audit/words";
import { activityQuery } from "./queries";
import css from "./users.module.css";

export function ActivityTab({ id }: { id: string }) {
  const query = useInfiniteQuery(activityQuery(id));
  const mayAudit = useMay("audit:read");
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={4} height={44} />;
  const items = query.data.pages.flatMap((page) => page.items);
  const trail = mayAudit && (
    <p className={css.trail}>
      {t("activity.audit")} <Link to="/audit" search={{ subject: id }}>{t("activity.toThem")}</Link> · <Link to="/audit" search={{ actor: id }}>{t("activity.byThem")}</Link>
    </p>
  );
  if (items.length === 0) return <EmptyState icon="audit" title={t("activity.empty.title")} text={t("activity.empty.text")}>{trail}</EmptyState>;
  return (
    <>
      {trail}
      <ul className={css.list}>
        {items.map((item) => (
          <li key={item.id}>
            <div>
              <b>{whoDid(item.actor)}</b> {actText(item.action, t("activity.this"), item.text)}
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
