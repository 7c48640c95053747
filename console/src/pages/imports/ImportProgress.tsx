/** One import as it goes: progress, counts, what was rejected. */
import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Import } from "../../api/types";
import { asProblem } from "../../api/problem";
import { number, t } from "../../i18n";
import "../../i18n/imports";
import { useProgress } from "../../live/progress";
import { holdChannel } from "../../live/store";
import { StatePill } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { JobProgress } from "../jobs/JobProgress";
import { isActive, jobQuery } from "../jobs/queries";
import { ErrorState, Lines } from "../../parts/states";
import { importQuery, rejectsUrl } from "./queries";
import css from "./imports.module.css";

const COUNTS = ["total", "inserted", "updated", "unchanged", "rejected"] as const;

/** Whether every row of the file is accounted for. */
function complete({ counts }: Import, rows: number): boolean {
  return counts.total >= rows && counts.total === counts.inserted + counts.updated + counts.unchanged + counts.rejected;
}

/** How far the counts say it is. */
const counted = ({ counts }: Import) => ({ done: counts.inserted + counts.updated + counts.unchanged + counts.rejected, total: counts.total });

/** The import with the state its job last told. */
export function useImport(id: string) {
  const query = useQuery(importQuery(id));
  const job = query.data?.job_id ?? null;
  useEffect(() => (job ? holdChannel(`job:${job}`) : undefined), [job]);
  const jobRow = useQuery({ ...jobQuery(job ?? ""), enabled: job !== null });
  const one = query.data;
  const over = jobRow.data !== undefined && !isActive(jobRow.data.state);
  const stale = one !== undefined && over && (isActive(one.state) || !complete(one, jobRow.data?.progress?.total ?? 0));
  const { refetch } = query;
  // The last counts come with the event that ends the import; a viewer who may not follow that channel asks once.
  useEffect(() => {
    if (stale) void refetch();
  }, [stale, refetch]);
  return { query, job: jobRow.data };
}

export function ImportProgress({ id }: { id: string }) {
  const { query, job } = useImport(id);
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  const one = query.data;
  if (!one) return <Lines count={4} height={44} />;
  const state = job?.state ?? one.state;
  // The counts are the last word on what is over and done; where it was broken off, the job knows of how many.
  const progress = state !== "succeeded" && job?.progress ? { ...job.progress, total: job.progress.total ?? 0 } : counted(one);
  return (
    <div className={parts.stack} data-testid="import" data-state={state}>
      <div className={parts.spread}>
        <b>{one.file?.name}</b>
        <StatePill state={state} />
      </div>
      {one.job_id && (isActive(state) || progress.total > 0) && <JobProgress job={{ id: one.job_id, state, progress }} />}
      {(one.error || job?.error) && <Alert severity="error" icon={false}>{one.error ?? job?.error}</Alert>}
      <Counts one={one} />
      {one.counts.rejected > 0 && !isActive(state) && (
        <div>
          <Button variant="outlined" startIcon={<Icon name="download" small />} component="a" href={rejectsUrl(id)} download>
            {t("import.rejects", { n: one.counts.rejected })}
          </Button>
        </div>
      )}
    </div>
  );
}

function Counts({ one }: { one: Import }) {
  const progress = useProgress(one.job_id, null);
  const total = one.counts.total || progress?.total || 0;
  return (
    <dl className={css.counts}>
      {COUNTS.map((name) => (
        <div key={name} className={name === "rejected" && one.counts.rejected > 0 ? css.bad : undefined}>
          <dt>{t(one.mode === "dry_run" && name !== "total" ? `count.dry.${name}` : `count.${name}`)}</dt>
          <dd data-count={name}>{number(name === "total" ? total : one.counts[name])}</dd>
        </div>
      ))}
    </dl>
  );
}
