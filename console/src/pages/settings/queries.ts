import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { Organization, Settings } from "../../api/types";

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }): Promise<Settings> => must(api.GET("/api/v1/settings", { signal })),
});

export const organizationQuery = queryOptions({
  queryKey: ["organization"],
  queryFn: ({ signal }): Promise<Organization> => must(api.GET("/api/v1/organization", { signal })),
});

export const outboxQuery = infiniteQueryOptions({
  queryKey: ["development_outbox"],
  queryFn: ({ pageParam, signal }) => must(api.GET("/api/v1/development_outbox", { params: { query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  staleTime: 0,
  refetchInterval: 5000,
});

const seen = (version: number) => ({ "If-Match": `"${version}"` });

/** Changes what is in `patch` and leaves the rest; null sets back to the default. */
export const changeSettings = (before: Settings, patch: Record<string, Record<string, unknown>>): Promise<Settings> =>
  must(api.PATCH("/api/v1/settings", { params: { header: seen(before.version) }, body: patch as never }));

export const rename = (before: Organization, name: string): Promise<Organization> => must(api.PATCH("/api/v1/organization", { params: { header: seen(before.version) }, body: { name } }));
