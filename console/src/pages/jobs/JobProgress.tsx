import type { ReactNode } from "react";
import { number, t, tOr } from "../../i18n";
import { useProgress, type Progress } from "../../live/progress";
import { Meter } from "../../parts/Meter";
import parts from "../../parts/parts.module.css";
import { isActive } from "./queries";

interface Props {
  job: { id: string; state: string; progress?: Progress | null };
  /** What stands there where the job has counted nothing. */
  none?: ReactNode;
}

/** How far a job is. The only part of its row that moves with each progress message. */
export function JobProgress({ job, none }: Props) {
  const progress = useProgress(job.id, job.progress);
  const total = progress?.total ?? 0;
  // The last word on the way may be older than the end.
  const done = job.state === "succeeded" ? total : (progress?.done ?? 0);
  const active = isActive(job.state);
  if (!active && total === 0) return none === undefined ? <span className={parts.muted}>–</span> : none;
  const share = job.state === "succeeded" ? 1 : total > 0 ? done / total : job.state === "running" ? null : 0;
  const phase = active && progress?.phase ? tOr(`phase.${progress.phase}`, progress.phase) : null;
  return (
    <span className={parts.bar} data-testid="progress">
      <Meter share={share} label={phase ?? t("progress.label")} />
      <span>{total > 0 ? t("progress.of", { done: number(done), total: number(total) }) : (phase ?? "")}</span>
    </span>
  );
}
