import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { EndedSessions, SessionListPage, SessionTimes, Session as ApiSession } from "../../api/types";
import type { ListPage } from "../../live/apply";
import type { Filters } from "../../live/kinds";

/** Rows a page of the list asks for. */
const PAGE = 100;

/** `over` is the console's own mark: it ended while it was on the screen. */
export type Session = ApiSession & { over?: boolean };

export type SessionPage = ListPage<Session> & { people: number };

export function fetchSessions(filters: Filters) {
  return async (cursor: string | null, signal: AbortSignal): Promise<SessionPage> => {
    const page: SessionListPage = await must(api.GET("/api/v1/sessions", { params: { query: { ...filters, limit: PAGE, ...(cursor && { cursor }) } as never }, signal }));
    return { ...page, total: { value: page.total, estimate: false } };
  };
}

/** Of a person, or one's own. Kept true by `sessions:<user id>` and the events of sessions. */
export const sessionsQuery = (id: string) =>
  queryOptions({
    queryKey: ["sessions", "of", id],
    queryFn: ({ signal }): Promise<{ items: Session[] }> => must(api.GET("/api/v1/users/{id}/sessions", { params: { path: { id } }, signal })),
    staleTime: 0,
  });

export const timesQuery = queryOptions({
  queryKey: ["sessions", "times"],
  queryFn: async ({ signal }): Promise<SessionTimes> => (await must(api.GET("/api/v1/settings", { signal }))).sessions,
});

export async function setTimes(times: SessionTimes): Promise<SessionTimes> {
  const now = await must(api.PATCH("/api/v1/settings", { body: { sessions: times } as never }));
  return now.sessions;
}

export async function endSession({ id }: Pick<Session, "id">): Promise<void> {
  await must(api.DELETE("/api/v1/sessions/{id}", { params: { path: { id } } }));
}

export const endOthers = (): Promise<EndedSessions> => must(api.DELETE("/api/v1/me/sessions"));

/** Whose sessions end in one act. */
export type Whose = { user: string } | { role: string } | "everybody";

export function endAll(whose: Whose, reason: string): Promise<EndedSessions> {
  const body = { reason: reason || undefined } as never;
  if (whose === "everybody") return must(api.POST("/api/v1/sessions/revoke", { params: { header: once() } as never, body }));
  if ("user" in whose) return must(api.POST("/api/v1/users/{id}/sessions/revoke", { params: { path: { id: whose.user }, header: once() } as never, body }));
  return must(api.POST("/api/v1/roles/{id}/sessions/revoke", { params: { path: { id: whose.role }, header: once() } as never, body }));
}

/** How many would end, of how many people. */
export const impactQuery = (filters: Filters) =>
  queryOptions({
    queryKey: ["sessions", "impact", filters],
    queryFn: async ({ signal }) => {
      const { total, people } = await must(api.GET("/api/v1/sessions", { params: { query: { ...filters, limit: 1 } as never }, signal }));
      return { total, people };
    },
    staleTime: 0,
    gcTime: 0,
  });
