import { infiniteQueryOptions, queryOptions, useQuery } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { Role, Team, User } from "../../api/types";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import type { Row, WholeSet } from "../../live/apply";
import type { Filters } from "../../live/kinds";
import { followChannel, levelSet } from "../../live/store";

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

export const activityQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["users", "activity", id],
    queryFn: ({ pageParam, signal }) =>
      must(api.GET("/api/v1/users/{id}/activity", { params: { path: { id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const rolesQuery = queryOptions({
  queryKey: ["roles", "all"],
  queryFn: async ({ signal }): Promise<WholeSet<Role>> => levelSet("role", await must(api.GET("/api/v1/roles", { signal })), ["roles", "all"]),
  select: present,
});

/** Without what was deleted while it was known here: for whatever offers a choice. */
function present<T extends Row & { gone?: boolean }>(set: WholeSet<T>): WholeSet<T> {
  return set.items.some((row) => row.gone) ? { ...set, items: set.items.filter((row) => !row.gone) } : set;
}

export const teamsQuery = queryOptions({
  queryKey: ["teams", "all"],
  queryFn: async ({ signal }): Promise<WholeSet<Team>> => levelSet("team", await must(api.GET("/api/v1/teams", { signal })), ["teams", "all"]),
  select: present,
});

const NO_TEAMS: Team[] = [];

/** Teams that this viewer may see. */
export function useTeams(): Team[] {
  const me = useMe();
  const may = me.permissions.includes("teams:read") || me.limited.includes("teams:read");
  return useQuery({ ...teamsQuery, enabled: may }).data?.items ?? NO_TEAMS;
}

/** The names of a person's teams, as text. */
export function TeamNames({ user }: { user: Pick<User, "teams"> }): string {
  const teams = useTeams();
  return user.teams.map(({ id }) => teams.find((team) => team.id === id)?.name ?? t("users.hiddenTeam")).join(", ") || "–";
}
