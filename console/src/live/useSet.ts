/** A set that is read at once, as a list: its rows, its number, its states. */
import type { UseQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";
import { asProblem } from "../api/problem";
import type { Row, WholeSet } from "./apply";
import type { LiveList } from "./useLiveList";

export function useSet<T extends Row>(query: UseQueryResult<WholeSet<T>>, filter?: (row: T) => boolean): LiveList<T> {
  const { data, error, isPending, refetch } = query;
  const rows = useMemo(() => (filter ? (data?.items.filter(filter) ?? []) : (data?.items ?? [])), [data, filter]);
  return {
    rows,
    total: data ? { value: rows.length, estimate: false } : null,
    waiting: 0,
    stepsIn: true,
    pending: isPending,
    error: error && !data ? asProblem(error) : null,
    more: false,
    loadMore: nothing,
    showNew: nothing,
    reload: () => void refetch(),
  };
}

const nothing = () => {};
