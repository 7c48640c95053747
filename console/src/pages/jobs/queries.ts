import { queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import { meQuery } from "../../auth/session";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import type { Job, JobDetail } from "../../api/types";
import type { ListPage } from "../../live/apply";
import type { Filters } from "../../live/kinds";

/** Rows a page of the list asks for. */
const PAGE = 100;

export function fetchJobs(filters: Filters) {
  return (cursor: string | null, signal: AbortSignal) =>
    must(api.GET("/api/v1/jobs", { params: { query: { ...filters, limit: PAGE, ...(cursor && { cursor }) } as never }, signal })) as Promise<ListPage<Job>>;
}

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["jobs", "one", id],
    queryFn: ({ signal }): Promise<JobDetail> => must(api.GET("/api/v1/jobs/{id}", { params: { path: { id } }, signal })),
  });

const ACTIVE = new Set(["waiting", "running", "paused", "retrying"]);
export const isActive = (state: string): boolean => ACTIVE.has(state);

/** Who asked for the job. An event tells the id alone; one's own name is known here. */
export function requester(job: Pick<Job, "requested_by">): string {
  const by = job.requested_by;
  if (!by?.id) return t("actor.system");
  const me = queries.getQueryData(meQuery.queryKey);
  return by.name ?? (by.id === me?.user.id ? me.user.name : t("actor.someone"));
}
