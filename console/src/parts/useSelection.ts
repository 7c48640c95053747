import { useCallback, useMemo, useState } from "react";

export interface Selection<T extends { id: string }> {
  rows: ReadonlyMap<string, T>;
  toggle: (row: T) => void;
  set: (rows: T[], on: boolean) => void;
  clear: () => void;
}

/** The chosen rows themselves, not only their ids: what was chosen stays known when the window moves on. */
export function useSelection<T extends { id: string }>(): Selection<T> {
  const [rows, setRows] = useState<ReadonlyMap<string, T>>(new Map());
  const set = useCallback((chosen: T[], on: boolean) => {
    setRows((before) => {
      const next = new Map(before);
      for (const row of chosen) {
        if (on) next.set(row.id, row);
        else next.delete(row.id);
      }
      return next;
    });
  }, []);
  const toggle = useCallback((row: T) => {
    setRows((before) => {
      const next = new Map(before);
      if (!next.delete(row.id)) next.set(row.id, row);
      return next;
    });
  }, []);
  const clear = useCallback(() => setRows(new Map()), []);
  return useMemo(() => ({ rows, toggle, set, clear }), [rows, toggle, set, clear]);
}
