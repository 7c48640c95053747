import Button from "@mui/material/Button";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { Session } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Pill, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { actText } from "../audit/words";
import { activityQuery, sessionsQuery } from "./queries";
import css from "./users.module.css";

// In this order: most browsers name others beside themselves.
const BROWSERS = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]] as const;
const SYSTEMS = [["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["Linux", "Linux"]] as const;

/** "Chrome on Linux", where the browser's own name for itself is known; it in full otherwise. */
function program(agent: string | null | undefined): string {
  if (!agent) return t("sessions.unknown");
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => agent.includes(mark))?.[1];
  return browser && system ? t("sessions.program", { browser, system }) : agent;
}

export function SessionsTab({ id }: { id: string }) {
  const query = useQuery(sessionsQuery(id));
  const mayEnd = useMay("sessions:revoke");
  const [ending, setEnding] = useState<Session | null>(null);
  const end = async () => {
    await must(api.DELETE("/api/v1/sessions/{id}", { params: { path: { id: ending?.id ?? "" } } }));
    toast(t("sessions.ended"));
    await query.refetch();
  };
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={3} height={44} />;
  if (query.data.items.length === 0) return <EmptyState icon="key" title={t("sessions.empty.title")} text={t("sessions.empty.text")} />;
  return (
    <>
      <ul className={`${css.list} ${css.sessions}`}>
        {query.data.items.map((session) => (
          <li key={session.id}>
            <div>
              <span title={session.user_agent ?? undefined}>{program(session.user_agent)}</span>
              <small>
                {session.ip} · {t("sessions.began")} <Time at={session.created_at} />
              </small>
            </div>
            {session.current && <Pill tone="ok">{t("sessions.current")}</Pill>}
            <Time at={session.last_seen_at ?? session.created_at} />
            {mayEnd && !session.current && <Button variant="outlined" color="error" onClick={() => setEnding(session)}>{t("sessions.end")}</Button>}
          </li>
        ))}
      </ul>
      <ConfirmWithImpact open={ending !== null} onClose={() => setEnding(null)} title={t("sessions.endTitle")} text={t("sessions.endText", { program: program(ending?.user_agent) })} action={t("sessions.end")} run={end} />
    </>
  );
}

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
