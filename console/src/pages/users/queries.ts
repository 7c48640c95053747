import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { User } from "../../api/types";
import type { Filters } from "../../live/kinds";
import { followChannel } from "../../live/store";

/** Rows a page of the list asks for. */
const PAGE = 100;

export const DEFAULT_SORT = "-created_at";

export function fetchUsers(filters: Filters) {
  return (cursor: string | null, signal: AbortSignal) =>
    must(api.GET("/api/v1/users", { params: { query: { ...filters, limit: PAGE, ...(cursor && { cursor }) } as never }, signal }));
}

export const userQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "one", id],
    queryFn: ({ signal }): Promise<User> => {
      followChannel("feed:users");
      return must(api.GET("/api/v1/users/{id}", { params: { path: { id } }, signal }));
    },
  });

export const sessionsQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "sessions", id],
    queryFn: ({ signal }) => must(api.GET("/api/v1/users/{id}/sessions", { params: { path: { id } }, signal })),
    staleTime: 0,
  });

export const activityQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["users", "activity", id],
    queryFn: ({ pageParam, signal }) =>
      must(api.GET("/api/v1/users/{id}/activity", { params: { path: { id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const rolesQuery = queryOptions({
  queryKey: ["roles"],
  queryFn: ({ signal }) => must(api.GET("/api/v1/roles", { signal })),
});
