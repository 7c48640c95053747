import { useQuery } from "@tanstack/react-query";
import { Link, Navigate } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Audit, Job, Overview as Told } from "../../api/types";
import { overviewQuery } from "../../app/shell/overviewQuery";
import { PageFrame } from "../../app/shell/PageFrame";
import { firstPage } from "../../app/shell/pages";
import { opening, useMay, useMe } from "../../auth/session";
import { number, t, tOr } from "../../i18n";
import "../../i18n/hub";
import { useOffer } from "../../keys/registry";
import { curve } from "../../live/counters";
import { useLiveList } from "../../live/useLiveList";
import { Card, Face, Stat, StatePill, Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { entryText, entryTone, whoDid } from "../audit/words";
import { fetchAudit } from "../audit/queries";
import { fetchJobs } from "../jobs/queries";
import { JobProgress } from "../jobs/JobProgress";
import css from "./overview.module.css";

export default function Overview() {
  const me = useMe();
  const may = useMay("overview:read");
  if (!may) return <Navigate to={firstPage(opening(me))?.to ?? "/account"} replace />;
  return <Board />;
}

function Board() {
  const mayJobs = useMay("jobs:read");
  const mayAudit = useMay("audit:read");
  const query = useQuery(overviewQuery);
  return (
    <PageFrame title={t("nav.overview")} name={t("nav.overview")}>
      {query.error && !query.data ? <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} /> : <Numbers counters={query.data?.counters ?? null} />}
      <div className={css.split}>
        {mayJobs && <Work />}
        {mayAudit && <Feed />}
      </div>
    </PageFrame>
  );
}

function Numbers({ counters }: { counters: Told["counters"] | null }) {
  const mayUsers = useMay("users:read");
  const mayJobs = useMay("jobs:read");
  const mayImports = useMay("imports:read");
  const maySessions = useMay("sessions:read");
  const n = (value: number | undefined) => number(value ?? 0);
  return (
    <div className={css.stats} data-testid="counters">
      <Stat label={t("overview.users")} value={counters?.users_total ?? null} note={t("overview.usersNote", { active: n(counters?.users_active), banned: n(counters?.users_banned) })} curve={curve("users_total")} to={mayUsers ? { to: "/users" } : undefined} />
      <Stat label={t("overview.sessions")} value={counters?.sessions_active ?? null} note={t("overview.sessionsNote")} curve={curve("sessions_active")} to={maySessions ? { to: "/sessions" } : undefined} />
      <Stat label={t("overview.jobs")} value={counters?.jobs_running ?? null} note={t("overview.jobsNote", { waiting: n(counters?.jobs_waiting), failed: n(counters?.jobs_failed) })} curve={curve("jobs_running")} to={mayJobs ? { to: "/jobs" } : undefined} />
      <Stat label={t("overview.imports")} value={counters?.imports_running ?? null} note={t("overview.importsNote")} curve={curve("imports_running")} to={mayImports ? { to: "/imports" } : undefined} />
    </div>
  );
}

const NO_FILTERS = {};
const jobsPage = fetchJobs(NO_FILTERS);
const auditPage = fetchAudit(NO_FILTERS);

function Work() {
  const list = useLiveList<Job>({ kind: "job", key: "jobs", filters: NO_FILTERS, fetchPage: jobsPage, newestFirst: true, calm: true });
  const shown = list.rows.slice(0, 8);
  return (
    <Card title={t("overview.work")} aside={<Link to="/jobs">{t("overview.allJobs")}</Link>} flush>
      {list.pending ? (
        <div className={css.more}><Lines count={8} height={28} /></div>
      ) : list.error ? (
        <ErrorState problem={list.error} retry={list.reload} />
      ) : shown.length === 0 ? (
        <EmptyState icon="jobs" title={t("jobs.empty.title")} text={t("jobs.empty.text")} />
      ) : (
        <ul className={css.work}>
          {shown.map((job) => (
            <li key={job.id}>
              <Link to="/jobs/$id" params={{ id: job.id }}>{tOr(`job.${job.kind}`, job.kind)}</Link>
              <JobProgress job={job} none={<span />} />
              <StatePill state={job.state} />
              <Time at={job.created_at} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Feed() {
  const [hovered, setHovered] = useState(false);
  const [paused, setPaused] = useState(false);
  useOffer([{ id: "feed.pause", keys: "p", label: t("keys.pause"), group: t("keys.page"), run: () => setPaused(!paused) }]);
  const list = useLiveList<Audit>({ kind: "audit_entry", key: "audit", filters: NO_FILTERS, fetchPage: auditPage, newestFirst: true, calm: !hovered && !paused });
  const over = useCallback((event: React.PointerEvent) => setHovered(event.type === "pointerenter" && event.pointerType === "mouse"), []);
  return (
    <section onPointerEnter={over} onPointerLeave={over}>
      <Card title={t("overview.activity")} aside={<Link to="/audit">{t("overview.allAudit")}</Link>} flush>
        {paused ? (
          <button type="button" className={css.new} onClick={() => setPaused(false)}>{t("list.paused", { n: list.waiting })}</button>
        ) : (
          list.waiting > 0 && hovered && <button type="button" className={css.new} onClick={list.showNew}>{t("list.new", { n: list.waiting })}</button>
        )}
        {list.pending ? (
          <div className={css.more}><Lines count={8} height={44} /></div>
        ) : list.error ? (
          <ErrorState problem={list.error} retry={list.reload} />
        ) : list.rows.length === 0 ? (
          <EmptyState icon="audit" title={t("audit.empty.title")} text={t("audit.empty.text")} />
        ) : (
          <ul className={css.feed} data-testid="feed">
            {list.rows.slice(0, 12).map((entry) => (
              <li key={entry.id}>
                <Face name={whoDid(entry.actor)} id={entry.actor.id ?? ""} />
                <div>
                  <Link to="/audit" search={{ open: entry.id }}>
                    <b>{whoDid(entry.actor)}</b> {entryText(entry)}
                  </Link>
                  <code>
                    <span className={`${css.mark} ${css[entryTone(entry)]}`} />
                    {entry.action}
                  </code>
                </div>
                <Time at={entry.at} />
              </li>
            ))}
          </ul>
        )}
      </Card>
    </section>
  );
}
