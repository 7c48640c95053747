/** What the hub tells of channels. */
import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { Channel, ChannelDetail, ChannelHistory } from "../../api/types";
import type { Sampled } from "../../live/samples";
import type { SamplePage } from "../../live/useSamples";

/** Rows a page of the list asks for, and publications shown of one channel. */
const PAGE = 200;
const LAST = 20;

export type ChannelRow = Channel & Sampled;

export function fetchChannels(q: string | undefined) {
  return async (cursor: string | null, signal: AbortSignal): Promise<SamplePage<ChannelRow>> => {
    const page = await must(api.GET("/api/v1/live/channels", { params: { query: { ...(q && { q }), limit: PAGE, ...(cursor && { cursor }) } }, signal }));
    // The same name may be a channel of the hub and of the application.
    return { ...page, items: page.items.map((item) => ({ ...item, id: item.channel })) };
  };
}

export const channelQuery = (channel: string) =>
  queryOptions({
    queryKey: ["channels", "one", channel],
    queryFn: ({ signal }): Promise<ChannelDetail> => must(api.GET("/api/v1/live/channels/{channel}", { params: { path: { channel } }, signal })),
    refetchInterval: ({ state }) => !state.error && 2000,
    gcTime: 0,
    staleTime: 0,
  });

export const historyQuery = (channel: string) =>
  queryOptions({
    queryKey: ["channels", "history", channel],
    queryFn: ({ signal }): Promise<ChannelHistory> => must(api.GET("/api/v1/live/channels/{channel}/history", { params: { path: { channel }, query: { limit: LAST } }, signal })),
    gcTime: 0,
    staleTime: 0,
  });

export async function publish(channel: string, data: unknown): Promise<void> {
  await must(api.POST("/api/v1/live/channels/{channel}/publish", { params: { path: { channel }, header: once() } as never, body: { data } }));
}
