import { useCallback, useState } from "react";

/** Which columns of a table this person does not want, kept in this browser. */
export function useHidden(table: string): [Record<string, boolean>, (id: string, hidden: boolean) => void] {
  const key = `signalbox.columns.${table}`;
  const [hidden, setHidden] = useState<Record<string, boolean>>(() => Object.fromEntries((localStorage.getItem(key) ?? "").split(",").filter(Boolean).map((id) => [id, true])));
  const hide = useCallback(
    (id: string, on: boolean) =>
      setHidden((before) => {
        const next = { ...before, [id]: on };
        localStorage.setItem(key, Object.keys(next).filter((column) => next[column]).join(","));
        return next;
      }),
    [key],
  );
  return [hidden, hide];
}
