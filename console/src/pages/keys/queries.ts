import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { ApiKey, KeyPolicy } from "../../api/types";
import type { ListPage } from "../../live/apply";
import { followChannel, showRow } from "../../live/store";
import type { KeyChange, Limits } from "./change";

/** Rows a page of the list asks for. */
const PAGE = 100;

export async function fetchKeys(cursor: string | null, signal: AbortSignal): Promise<ListPage<ApiKey>> {
  return must(api.GET("/api/v1/api_keys", { params: { query: { limit: PAGE, ...(cursor && { cursor }) } as never }, signal }));
}

export const keyQuery = (id: string) =>
  queryOptions({
    queryKey: ["api_keys", "one", id],
    queryFn: ({ signal }): Promise<ApiKey> => {
      followChannel("feed:api_keys");
      return must(api.GET("/api/v1/api_keys/{id}", { params: { path: { id } }, signal }));
    },
  });

/** Read anew whenever the key has another version: each change of it is an entry. */
export const lifeQuery = (id: string, version: number) =>
  infiniteQueryOptions({
    queryKey: ["api_keys", "life", id, version],
    queryFn: ({ pageParam, signal }) => must(api.GET("/api/v1/api_keys/{id}/timeline", { params: { path: { id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const policyQuery = queryOptions({
  queryKey: ["api_keys", "policy"],
  queryFn: ({ signal }): Promise<KeyPolicy> => must(api.GET("/api/v1/api_key_policy", { signal })),
});

export interface NewKey {
  name: string;
  scopes: string[];
  addresses: string[];
  requests_per_minute?: number;
  resource_limits?: Limits;
  expires_at?: string;
}

export async function createKey(key: ReturnType<typeof once>, body: NewKey): Promise<{ id: string; secret: string }> {
  return must(api.POST("/api/v1/api_keys", { params: { header: key } as never, body: body as never }));
}

/** Keys of mine that the account page shows. */
export const ownKeysQuery = (owner: string) =>
  queryOptions({
    queryKey: ["api_keys", "own", owner],
    queryFn: async ({ signal }): Promise<ApiKey[]> => (await must(api.GET("/api/v1/api_keys", { params: { query: { owner, limit: PAGE } }, signal }))).items,
    staleTime: 0,
  });

export async function saveKey({ id, version }: Pick<ApiKey, "id" | "version">, body: KeyChange): Promise<void> {
  showRow("api_key", await must(api.PATCH("/api/v1/api_keys/{id}", { params: { path: { id }, header: { "If-Match": `"${version}"` } } as never, body: body as never })));
}

export async function savePolicy(days: number | null): Promise<void> {
  await must(api.PATCH("/api/v1/settings", { body: { api_keys: { max_days: days } } as never }));
}

export async function rotateKey({ id }: Pick<ApiKey, "id">, grace: number): Promise<string> {
  const told = await must(api.POST("/api/v1/api_keys/{id}/rotate", { params: { path: { id }, header: once() } as never, body: { grace_seconds: grace } as never }));
  return told.secret;
}

export async function revokeKey({ id }: Pick<ApiKey, "id">, reason: string): Promise<void> {
  await must(api.POST("/api/v1/api_keys/{id}/revoke", { params: { path: { id }, header: once() } as never, body: { reason } as never }));
}
