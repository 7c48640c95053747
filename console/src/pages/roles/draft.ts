/** The matrix's unsaved changes. They outlive the page, so that a look elsewhere loses nothing; a reload asks first. */
import { useSyncExternalStore } from "react";
import { holdUpdate } from "../../app/update";
import { type Edits, NO_EDITS } from "./edits";

let edits: Edits = NO_EDITS;
let release: (() => void) | null = null;
const listeners = new Set<() => void>();

const ask = (event: BeforeUnloadEvent) => event.preventDefault();

export function setEdits(next: Edits): void {
  if (next === edits) return;
  edits = next;
  if (edits.size > 0 && !release) {
    const letGo = holdUpdate();
    addEventListener("beforeunload", ask);
    release = () => {
      letGo();
      removeEventListener("beforeunload", ask);
    };
  } else if (edits.size === 0) {
    release?.();
    release = null;
  }
  for (const listener of listeners) listener();
}

export const editsNow = (): Edits => edits;

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useEdits = (): Edits => useSyncExternalStore(subscribe, editsNow);
