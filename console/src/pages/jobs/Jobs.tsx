import Button from "@mui/material/Button";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import type { Job } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { t, tOr } from "../../i18n";
import { type Filters, isWhole, KINDS } from "../../live/kinds";
import type { Row } from "../../live/apply";
import { useLiveList } from "../../live/useLiveList";
import { StatePill, Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Choice } from "../../parts/Field";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { EmptyState } from "../../parts/states";
import table from "../../parts/table.module.css";
import Views from "../../parts/views/Views";
import { JobProgress } from "./JobProgress";
import { fetchJobs, requester } from "./queries";

const JobDetailView = lazy(() => import("./JobDetailView"));

const STATES = ["waiting", "running", "paused", "retrying", "succeeded", "failed", "cancelled", "quarantined"] as const;

export default function Jobs() {
  const { state, queue, open } = useSearch({ from: "/shell/jobs" });
  const navigate = useNavigate({ from: "/jobs" });
  const filters: Filters = useMemo(() => ({ state, queue }), [state, queue]);
  const fetchPage = useMemo(() => fetchJobs(filters), [filters]);
  const [calm, setCalm] = useState(true);
  const list = useLiveList<Job>({ kind: "job", key: "jobs", filters, fetchPage, newestFirst: true, calm });
  const columns = useColumns();
  const change = useCallback((next: Record<string, string | undefined>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: Job) => void navigate({ search: (before) => ({ ...before, open: row.id }) }), [navigate]);
  const full = useCallback((row: Job) => void navigate({ to: "/jobs/$id", params: { id: row.id } }), [navigate]);
  const dim = useCallback((row: Job) => (KINDS.job?.matches(row as unknown as Row & Record<string, unknown>, filters) ? null : t("list.nomatch")), [filters]);
  const queues = [...new Set([queue, ...list.rows.map((row) => row.queue)].filter((name): name is string => Boolean(name)))];
  return (
    <PageFrame title={t("nav.jobs")} name={t("nav.jobs")} fill>
      <DataTable
        label={t("nav.jobs")}
        list={list}
        columns={columns}
        phone={PhoneRow}
        name={title}
        openId={open}
        onOpen={show}
        onFull={full}
        dim={dim}
        onCalm={setCalm}
        toolbar={
          <div className={table.toolbar}>
            <span className={table.choice}>
              <Choice label={t("field.state")} hideLabel value={state ?? ""} onValue={(value) => change({ state: value || undefined })} options={[{ value: "", label: t("jobs.anyState") }, ...STATES.map((name) => ({ value: name, label: t(`state.${name}`) }))]} />
            </span>
            <span className={table.choice}>
              <Choice label={t("field.queue")} hideLabel value={queue ?? ""} onValue={(value) => change({ queue: value || undefined })} options={[{ value: "", label: t("jobs.anyQueue") }, ...queues.map((name) => ({ value: name, label: name }))]} />
            </span>
            <span className={table.grow} />
            <Views page="jobs" />
          </div>
        }
        empty={
          isWhole(filters) ? (
            <EmptyState icon="jobs" title={t("jobs.empty.title")} text={t("jobs.empty.text")} />
          ) : (
            <EmptyState icon="search" title={t("jobs.none.title")} text={t("jobs.none.text")}>
              <Button variant="outlined" onClick={() => change({ state: undefined, queue: undefined })}>{t("users.none.action")}</Button>
            </EmptyState>
          )
        }
      />
      {open && (
        <Inspector title={t("job.title")} onClose={() => change({ open: undefined })} full={`/jobs/${open}`}>
          <Suspense fallback={<InspectorGhost />}>
            <JobDetailView key={open} id={open} />
          </Suspense>
        </Inspector>
      )}
    </PageFrame>
  );
}

const title = (job: Job) => tOr(`job.${job.kind}`, job.kind);

const Name = ({ job }: { job: Job }) => (
  <span className={table.two}>
    <div>
      <Link to="/jobs/$id" params={{ id: job.id }} tabIndex={-1}>{title(job)}</Link>
      <small>{job.queue}</small>
    </div>
  </span>
);

const PhoneRow = (job: Job) => (
  <>
    <Name job={job} />
    <span className={table.aside}>
      <StatePill state={job.state} />
      <small><Time at={job.created_at} /></small>
    </span>
  </>
);

function useColumns(): Column<Job>[] {
  return useMemo(
    () => [
      { id: "kind", header: t("field.job"), width: "minmax(0, 1.3fr)", cell: (job) => <Name job={job} /> },
      { id: "state", header: t("field.state"), width: "minmax(var(--col-state), 0.8fr)", cell: (job) => <StatePill state={job.state} /> },
      { id: "progress", header: t("field.progress"), width: "minmax(0, 1.8fr)", cell: (job) => <JobProgress job={job} /> },
      { id: "by", header: t("field.requestedBy"), width: "minmax(0, 1fr)", cell: (job) => requester(job) },
      { id: "attempt", header: t("field.attempt"), width: "minmax(var(--col-number), 0.5fr)", numeric: true, cell: (job) => t("job.attemptOf", { n: job.attempt, of: job.max_attempts }) },
      { id: "created", header: t("field.created"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (job) => <Time at={job.created_at} /> },
    ],
    [],
  );
}
