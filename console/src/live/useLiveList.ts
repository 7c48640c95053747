/** A list that keeps itself true: pages by cursor, events by version, newcomers by consent. */
import { type QueryKey, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef } from "react";
import { asProblem } from "../api/problem";
import { queries } from "../app/queries";
import { type ListData, type ListPage, type Row, takeFresh } from "./apply";
import type { Filters } from "./kinds";
import { jitter, level } from "./store";

/** Rows beyond which newcomers are shown by reading the first page again instead of growing it. */
const GROWN = 400;
/** The least time between two readings of an open window, in milliseconds. */
const APART = 1000;

export interface LiveList<T extends Row> {
  rows: T[];
  total: { value: number; estimate: boolean } | null;
  /** Newcomers and bulk changes that wait for the person. */
  waiting: number;
  /** Whether they step in by themselves while nobody looks closely; in another order their places are anywhere. */
  stepsIn: boolean;
  pending: boolean;
  error: ReturnType<typeof asProblem> | null;
  more: boolean;
  loadMore: () => void;
  showNew: () => void;
  reload: () => void;
}

interface Options<T extends Row> {
  kind: string;
  key: string;
  filters: Filters;
  fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<ListPage<T>>;
  /** Whether the order puts newcomers at the top. */
  newestFirst: boolean;
  /** Nobody is looking closely: newcomers may step in by themselves. */
  calm: boolean;
  enabled?: boolean;
}

export function useLiveList<T extends Row>({ kind, key, filters, fetchPage, newestFirst, calm, enabled = true }: Options<T>): LiveList<T> {
  const queryKey: QueryKey = useMemo(() => [key, "list", filters], [key, filters]);
  const query = useInfiniteQuery({
    queryKey,
    queryFn: async ({ pageParam, signal }) => level(kind, await fetchPage(pageParam, signal), filters, queryKey),
    initialPageParam: null as string | null,
    getNextPageParam: (page: ListPage<T>) => page.next_cursor ?? null,
    enabled,
  });

  const first = query.data?.pages[0];
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const fresh = first?.fresh?.length ?? 0;
  const unread = first?.unread ?? 0;

  const { refetch } = query;
  const readFirst = useCallback(async () => {
    queries.setQueryData<ListData<T>>(queryKey, (data) => data && { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) });
    await refetch();
  }, [queryKey, refetch]);

  const steps = newestFirst && unread === 0 && rows.length + fresh <= GROWN;
  const showNew = useCallback(() => {
    if (steps) queries.setQueryData<ListData<T>>(queryKey, (data) => data && takeFresh(data));
    else void readFirst();
  }, [steps, queryKey, readFirst]);

  const lastRead = useRef(0);
  useEffect(() => {
    if (!calm || fresh + unread === 0) return;
    if (steps) {
      showNew();
      return;
    }
    if (!newestFirst) return;
    const wait = Math.max(0, lastRead.current + APART - Date.now()) + jitter() / 4;
    const timer = setTimeout(() => {
      lastRead.current = Date.now();
      void readFirst();
    }, wait);
    return () => clearTimeout(timer);
    // Counting further newcomers must not push the reading away: only whether there are any matters, and a new reading.
  }, [calm, fresh + unread > 0, first?.offset, steps, newestFirst, showNew, readFirst]);

  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  return {
    rows,
    total: first?.total ?? null,
    waiting: fresh + unread,
    stepsIn: newestFirst,
    pending: query.isPending,
    error: query.error && !query.data ? asProblem(query.error) : null,
    more: hasNextPage,
    loadMore,
    showNew,
    reload: () => void readFirst(),
  };
}
