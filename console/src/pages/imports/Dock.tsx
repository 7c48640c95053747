/** My imports that run, bottom right on every page but their own; what ends while this tab is open stays until it is put away. */
import IconButton from "@mui/material/IconButton";
import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Job } from "../../api/types";
import { useMay, useMe } from "../../auth/session";
import { t } from "../../i18n";
import { useLiveList } from "../../live/useLiveList";
import { StatePill } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { fetchJobs, isActive } from "../jobs/queries";
import { JobProgress } from "../jobs/JobProgress";
import { importQuery } from "./queries";
import css from "./imports.module.css";

const FILTERS = { queue: "users.import" };
const fetchPage = fetchJobs(FILTERS);
const opened = Date.now();

export default function Dock() {
  const me = useMe();
  const may = useMay("jobs:read");
  const list = useLiveList<Job>({ kind: "job", key: "jobs", filters: FILTERS, fetchPage, newestFirst: true, calm: true, enabled: may });
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [away, setAway] = useState<ReadonlySet<string>>(new Set());
  const shown = useMemo(
    () => list.rows.filter((job) => job.requested_by?.id === me.user.id && !away.has(job.id) && path !== `/imports/${job.subject?.id}` && (isActive(job.state) || Date.parse(job.finished_at ?? "") > opened)).slice(0, 4),
    [list.rows, me.user.id, away, path],
  );
  if (shown.length === 0) return null;
  return (
    <section className={css.dock} aria-label={t("dock.label")} data-testid="dock">
      <div className={css.dockHead}>
        {t("dock.label")}
        <IconButton aria-label={t("dock.away")} onClick={() => setAway(new Set([...away, ...shown.map((job) => job.id)]))}>
          <Icon name="close" />
        </IconButton>
      </div>
      <ul>
        {shown.map((job) => (
          <Entry key={job.id} job={job} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ job }: { job: Job }) {
  const id = job.subject?.id ?? "";
  const { data } = useQuery({ ...importQuery(id), enabled: id !== "" });
  return (
    <li>
      <div className={parts.spread}>
        <Link to="/imports/$id" params={{ id }}>{data?.file?.name ?? t("job.users.import")}</Link>
        <StatePill state={job.state} />
      </div>
      <JobProgress job={job} />
    </li>
  );
}
