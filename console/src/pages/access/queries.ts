import { queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { Access, Explanation, Refusal, Statement } from "../../api/types";
import type { Single } from "../roles/queries";

/** Read anew whenever the person has another version: each change of what they hold is one. */
export const accessQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["users", "access", id, version],
    queryFn: ({ signal }): Promise<Access> => must(api.GET("/api/v1/users/{id}/permissions", { params: { path: { id } }, signal })),
    staleTime: 0,
    gcTime: 30_000,
  });

export interface Row {
  kind: string;
  id: string;
}

/** `key`: what the answer hangs on besides the question. */
export const explainQuery = (id: string, permission: string, row: Row | null, key: unknown = null) =>
  queryOptions({
    queryKey: ["users", "explain", id, permission, row, key],
    queryFn: ({ signal }): Promise<Explanation> =>
      must(api.GET("/api/v1/users/{id}/explain", { params: { path: { id }, query: { permission, ...(row && { resource_kind: row.kind, resource_id: row.id }) } }, signal })),
    staleTime: 0,
    gcTime: 30_000,
    retry: false,
  });

export const refusalQuery = (id: string) =>
  queryOptions({
    queryKey: ["refusals", id],
    queryFn: ({ signal }): Promise<Refusal> => must(api.GET("/api/v1/explanations/{id}", { params: { path: { id } }, signal })),
    staleTime: 0,
    retry: false,
  });

export async function sayDirectly(id: string, statements: Statement[], single: Single[]): Promise<void> {
  await must(api.PUT("/api/v1/users/{id}/permissions", { params: { path: { id } }, body: { statements, single } as never }));
}
