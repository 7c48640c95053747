import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { Permission, Preview, Role, Statement } from "../../api/types";
import { followChannel } from "../../live/store";
import type { MemberPage } from "../../live/members";

export const permissionsQuery = queryOptions({
  queryKey: ["permissions"],
  queryFn: async ({ signal }): Promise<Permission[]> => (await must(api.GET("/api/v1/permissions", { signal }))).items,
});

export const membersQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["roles", "members", id],
    queryFn: ({ pageParam, signal }): Promise<MemberPage> => {
      followChannel("feed:users");
      return must(api.GET("/api/v1/roles/{id}/members", { params: { path: { id }, query: { limit: 100, ...(pageParam && { cursor: pageParam }) } }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

/** Read anew whenever the role has another version: each change of it is an entry. */
export const historyQuery = (id: string, version: number) =>
  infiniteQueryOptions({
    queryKey: ["roles", "history", id, version],
    queryFn: ({ pageParam, signal }) => must(api.GET("/api/v1/roles/{id}/history", { params: { path: { id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

/** One of several roles that are changed together. */
export interface RoleEdit {
  role: string;
  /** As it was seen. */
  version: number;
  statements: Statement[];
}

export type Proposal =
  | { kind: "role"; role: string; inherits?: string[]; statements?: Statement[] }
  | { kind: "several_roles"; changes: RoleEdit[] }
  | { kind: "roles"; user: string; roles: string[] }
  | { kind: "team_roles"; team: string; roles: string[] }
  | { kind: "teams"; user: string; teams: string[] }
  | { kind: "permissions"; user: string; statements: Statement[]; single: Single[] };

export interface Single {
  permission: string;
  effect: "grant" | "deny";
  resource: { kind: string; id: string };
}

/** What a change would do: worked out anew for every other change, and whenever it is asked for again. */
export const previewQuery = (proposal: Proposal) =>
  queryOptions({
    queryKey: ["what_if", proposal],
    queryFn: ({ signal }): Promise<Preview> => must(api.POST("/api/v1/roles/what_if", { body: proposal as never, signal })),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });

const on = (version: number) => ({ "If-Match": `"${version}"` });

export interface RoleFields {
  name?: string;
  description?: string;
  inherits?: string[];
  statements?: Statement[];
  requires_factor?: boolean;
}

export async function saveRole({ id, version }: Pick<Role, "id" | "version">, body: RoleFields): Promise<void> {
  await must(api.PATCH("/api/v1/roles/{id}", { params: { path: { id }, header: on(version) } as never, body: body as never }));
}

/** All of them or none; as they are then. */
export async function saveRoles(changes: RoleEdit[]): Promise<Role[]> {
  return (await must(api.PATCH("/api/v1/roles", { body: { changes } }))).items as Role[];
}

export async function createRole(key: ReturnType<typeof once>, body: RoleFields): Promise<string> {
  return (await must(api.POST("/api/v1/roles", { params: { header: key } as never, body: body as never }))).id;
}

export async function deleteRole({ id, version }: Pick<Role, "id" | "version">): Promise<void> {
  await must(api.DELETE("/api/v1/roles/{id}", { params: { path: { id }, header: on(version) } as never }));
}

export interface BulkItem {
  user: string;
  done: boolean;
  detail?: string | null;
}

/** People that one request may name. */
const AT_ONCE = 200;

/** Gives and takes roles of many; what came of it, person by person, is told as it comes in. */
export async function assignMany(users: string[], { give = [], take = [] }: { give?: string[]; take?: string[] }, told: (items: BulkItem[]) => void): Promise<BulkItem[]> {
  const items: BulkItem[] = [];
  for (let from = 0; from < users.length; from += AT_ONCE) {
    const some = users.slice(from, from + AT_ONCE);
    items.push(...(await must(api.POST("/api/v1/roles/assign", { body: { users: some, give, take } }))).items);
    told([...items]);
  }
  return items;
}
