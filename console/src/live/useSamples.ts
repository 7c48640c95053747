/** A list that is read again every so often while it is seen and not paused; the hub is asked as often however long it grew. */
import { type QueryKey, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { asProblem } from "../api/problem";
import { usePill } from "./pill";
import { fresh, type Held, type Sampled, settle } from "./samples";
import type { LiveList } from "./useLiveList";

/** Between two readings of a page, in milliseconds. */
const EVERY = 2000;

export interface SamplePage<T extends Sampled> {
  items: T[];
  next_cursor?: string | null;
  total?: number;
  /** Nodes that did not answer. */
  missing: string[];
}

interface Options<T extends Sampled> {
  queryKey: QueryKey;
  fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<SamplePage<T>>;
  /** Nobody is looking closely: rows may come, go and move. */
  calm: boolean;
  /** Nothing is read until it goes on. */
  paused: boolean;
}

export interface SampleList<T extends Sampled> extends LiveList<T> {
  missing: string[];
  /** The last reading failed: since when it stands, in milliseconds of the clock; null while all is well. */
  staleSince: number | null;
}

interface View<T extends Sampled> extends Held<T> {
  of: unknown;
  key: string;
  calm: boolean;
}

export function useSamples<T extends Sampled>({ queryKey, fetchPage, calm, paused }: Options<T>): SampleList<T> {
  const query = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page: SamplePage<T>) => page.next_cursor ?? null,
    refetchInterval: ({ state }) => !paused && EVERY * Math.max(1, state.data?.pages.length ?? 1),
    // What was seen before is nothing to begin with.
    gcTime: 0,
    staleTime: 0,
  });
  const { data } = query;
  const key = JSON.stringify(queryKey);
  const [held, setHeld] = useState<View<T>>({ rows: [], waiting: 0, pages: 0, of: undefined, key, calm });
  let view = held;
  if (held.of !== data || held.key !== key || held.calm !== calm) {
    const pages = data?.pages.map((page) => page.items) ?? [];
    const same = held.key === key && held.of !== undefined;
    view = { ...(calm || !same ? fresh(pages) : settle(held, pages)), of: data, key, calm };
    setHeld(view);
  }
  const showNew = useCallback(() => setHeld((before) => ({ ...before, ...fresh(data?.pages.map((page) => page.items) ?? []) })), [data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = query;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  // This tab's own connection came or was renewed: a reading from before does not know of it.
  const own = usePill().facts?.client ?? null;
  const read = useRef(own);
  useEffect(() => {
    if (own === null || own === read.current) return;
    read.current = own;
    if (!paused) void refetch();
  }, [own, paused, refetch]);
  const total = data?.pages[0]?.total;
  return {
    rows: view.rows,
    total: total === undefined ? null : { value: total, estimate: false },
    waiting: view.waiting,
    stepsIn: true,
    pending: query.isPending,
    error: query.error && !data ? asProblem(query.error) : null,
    more: hasNextPage,
    loadMore,
    showNew,
    reload: () => void refetch(),
    missing: data?.pages[0]?.missing ?? [],
    staleSince: query.error && data ? query.dataUpdatedAt : null,
  };
}
