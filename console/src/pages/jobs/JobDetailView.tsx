import Alert from "@mui/material/Alert";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { JobDetail } from "../../api/types";
import { t, tOr } from "../../i18n";
import { holdChannel, showRow } from "../../live/store";
import { Act } from "../../parts/Act";
import { AlsoHere } from "../../parts/AlsoHere";
import { duration, Facts, Id, Raw, StatePill, Time, useNow } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";
import { ErrorState, Lines } from "../../parts/states";
import { JobProgress } from "./JobProgress";
import { isActive, jobQuery, requester } from "./queries";
import css from "./jobs.module.css";

export default function JobDetailView({ id }: { id: string }) {
  useEffect(() => holdChannel(`job:${id}`), [id]);
  const query = useQuery(jobQuery(id));
  const [asked, setAsked] = useState(false);
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  const job = query.data;
  if (!job) return <div className={css.detail}><Lines count={8} height={28} /></div>;
  const cancel = async () => showRow("job", await must(api.POST("/api/v1/jobs/{id}/cancel", { params: { path: { id } }, body: {} as never })));
  return (
    <div className={css.detail}>
      <div className={parts.spread}>
        <h2>{tOr(`job.${job.kind}`, job.kind)}</h2>
        <span className={parts.row}>
          <AlsoHere path={`/jobs/${id}`} />
          <StatePill state={job.state} />
        </span>
      </div>
      <JobProgress job={job} none={null} />
      {job.error && <Alert severity="error" icon={false}>{job.error}</Alert>}
      <Facts
        facts={[
          [t("field.queue"), job.queue],
          [t("field.requestedBy"), requester(job)],
          [t("field.attempt"), t("job.attemptOf", { n: job.attempt, of: job.max_attempts })],
          [t("field.crashes"), job.crashes],
          [t("field.created"), <Time key="created" at={job.created_at} />],
          [t("field.took"), <Took key="took" job={job} />],
          ...(job.subject?.kind === "import" && job.subject.id ? ([[t("field.import"), <Link key="import" to="/imports/$id" params={{ id: job.subject.id }}>{t("job.openImport")}</Link>]] as [string, React.ReactNode][]) : []),
          [t("field.id"), <Id key="id" value={job.id} />],
        ]}
      />
      {isActive(job.state) && (
        <div>
          <Act variant="outlined" color="error" onClick={() => setAsked(true)} why={job.can?.includes("jobs.cancel") ? null : t("need", { permission: "jobs:cancel" })}>{t("job.cancel")}</Act>
        </div>
      )}
      <ConfirmWithImpact open={asked} onClose={() => setAsked(false)} title={t("job.cancelTitle")} text={t("job.cancelText")} action={t("job.cancel")} run={cancel} />
      <section>
        <h3>{t("job.events")}</h3>
        <ol className={css.events}>
          {(job.events ?? []).map((event, index) => (
            <li key={`${event.at} ${index}`}>
              <span>{tOr(`event.${event.kind.replace(/^job\./, "")}`, event.kind)}</span>
              <Time at={event.at} />
            </li>
          ))}
        </ol>
      </section>
      <Raw value={job} />
    </div>
  );
}

function Took({ job }: { job: JobDetail }) {
  const now = useNow();
  if (!job.started_at) return <>–</>;
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  return <>{duration(Math.max(0, end - Date.parse(job.started_at)))}</>;
}
