/** Progress is state, not event: the last word of each job, read by the few cells that show it. */
import { useSyncExternalStore } from "react";

export interface Progress {
  done: number;
  total?: number | null;
  phase?: string | null;
}

const progress = new Map<string, Progress>();
const listeners = new Set<() => void>();

export function setProgress(entries: Iterable<[string, Progress]>): void {
  let changed = false;
  for (const [id, value] of entries) {
    progress.set(id, value);
    changed = true;
  }
  if (changed) for (const listener of listeners) listener();
}

export function forgetProgress(job: string): void {
  progress.delete(job);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** What the job last told, or what its row says. */
export function useProgress(job: string | null | undefined, row: Progress | null | undefined): Progress | null {
  return useSyncExternalStore(subscribe, () => (job ? progress.get(job) : undefined)) ?? row ?? null;
}
