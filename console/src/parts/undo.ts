/** The last act that can be taken back. The note about it and the key `u` do so. */
import { useSyncExternalStore } from "react";
import { asProblem } from "../api/problem";
import { t } from "../i18n";
import { toast } from "./toast";

export interface Undo {
  /** What was done, as a sentence: "Ada was banned". */
  done: string;
  run: () => Promise<unknown>;
}

let last: Undo | null = null;
const listeners = new Set<() => void>();

function set(next: Undo | null): void {
  last = next;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useUndo = (): Undo | null => useSyncExternalStore(subscribe, () => last);

/** Tells what was done and offers to take it back. */
export function told(undo: Undo): void {
  set(undo);
  toast(undo.done, { label: t("undo"), keys: "u", run: () => void takeBack(undo) });
}

/** Takes `undo` back once. Where the hub refuses, says why; nothing is taken back halfway without being told. */
export async function takeBack(undo: Undo): Promise<void> {
  if (last !== undo) return;
  set(null);
  try {
    await undo.run();
    toast(t("undo.done", { what: undo.done }));
  } catch (error) {
    const problem = asProblem(error);
    toast(problem.status === 412 ? t("undo.changed") : t("undo.failed", { why: problem.message }));
  }
}

/** Nothing of one person's work is offered to the next who signs in here. */
export const forgetUndo = (): void => set(null);
