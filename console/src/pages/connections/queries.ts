/** What the hub tells of live connections and nodes. */
import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { Connection, ConnectionDetail, LiveNodes } from "../../api/types";
import type { Filters } from "../../live/kinds";
import type { Sampled } from "../../live/samples";
import type { SamplePage } from "../../live/useSamples";

/** Rows a page of the list asks for. */
const PAGE = 200;

export const DEFAULT_SORT = "-connected_at";

/** `version` of a row counts its changes: that of the client's SDK has another name here. */
export type ConnectionRow = Omit<Connection, "version"> & Sampled & { sdk: string };

export function fetchConnections(filters: Filters) {
  return async (cursor: string | null, signal: AbortSignal): Promise<SamplePage<ConnectionRow>> => {
    const page = await must(api.GET("/api/v1/live/connections", { params: { query: { ...filters, limit: PAGE, ...(cursor && { cursor }) } as never }, signal }));
    return { ...page, items: page.items.map(({ version, ...item }) => ({ ...item, id: item.client, sdk: version })) };
  };
}

export const connectionQuery = (client: string) =>
  queryOptions({
    queryKey: ["connections", "one", client],
    queryFn: ({ signal }): Promise<ConnectionDetail> => must(api.GET("/api/v1/live/connections/{client}", { params: { path: { client } }, signal })),
    refetchInterval: ({ state }) => !state.error && 2000,
    gcTime: 0,
    staleTime: 0,
  });

/** Kept true by `feed:live`, once a second: each word of it puts the next reading off, so that it is read only while none comes. */
export const nodesQuery = queryOptions({
  queryKey: ["live", "nodes"],
  queryFn: ({ signal }): Promise<LiveNodes> => must(api.GET("/api/v1/live/nodes", { signal })),
  refetchInterval: 2500,
  staleTime: 0,
});

export async function disconnect({ client }: Pick<Connection, "client">, reason: string, reconnect: boolean): Promise<void> {
  await must(api.POST("/api/v1/live/connections/{client}/disconnect", { params: { path: { client }, header: once() } as never, body: { reason, reconnect } }));
}

const NODE = /^[0-9a-f]{8}-.*-[0-9a-f]{4}([0-9a-f]{8})$/;

/** A node is named by the id of its process: the end of it tells them apart. */
export const shortNode = (node: string): string => NODE.exec(node)?.[1] ?? node;

/** Who a connection belongs to, as a person reads it. */
export const holder = (connection: Pick<Connection, "user" | "user_name">, nobody: string): string => connection.user_name || connection.user || nobody;
