/** My own API keys, a step from where they are changed. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import { useMe, useWhy } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/access";
import { Act } from "../../parts/Act";
import { Card, StatePill, Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { ownKeysQuery } from "../keys/queries";
import page from "./account.module.css";

export default function Keys() {
  const me = useMe();
  const query = useQuery(ownKeysQuery(me.user.id));
  const action = <Act variant="outlined" to="/keys" search={{ create: "1" }} why={useWhy("api_keys:manage")}>{t("keys.create")}</Act>;
  return (
    <Card title={t("nav.apiKeys")} aside={action} flush>
      {query.error ? (
        <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />
      ) : !query.data ? (
        <Lines count={3} height={44} />
      ) : query.data.length === 0 ? (
        <EmptyState icon="key" title={t("keys.empty.title")} text={t("keys.empty.text")} />
      ) : (
        <ul className={page.list}>
          {query.data.map((key) => (
            <li key={key.id}>
              <span>
                <Link to="/keys" search={{ open: key.id }}>{key.name}</Link>
                <small>{key.last_used_at ? <>{t("keys.used")} <Time at={key.last_used_at} /></> : t("keys.neverUsed")}</small>
              </span>
              <StatePill state={key.state} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
