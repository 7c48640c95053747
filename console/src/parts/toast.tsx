/** One short note at the bottom, said aloud to screen readers; with an act where there is one to offer. */
import { useEffect, useSyncExternalStore } from "react";
import { keyLabel } from "../keys/registry";
import css from "./toast.module.css";

/** How long a note stands, in milliseconds: a plain one, and one that offers an act. */
const STANDS = 4000;
const OFFERS = 10_000;

export interface ToastAct {
  label: string;
  keys?: string;
  run: () => void;
}

let message: { text: string; act?: ToastAct } | null = null;
const listeners = new Set<() => void>();

function set(next: typeof message): void {
  message = next;
  for (const listener of listeners) listener();
}

export const toast = (text: string, act?: ToastAct): void => set({ text, act });

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => message);
  useEffect(() => {
    if (!shown) return;
    const timer = setTimeout(() => set(null), shown.act ? OFFERS : STANDS);
    return () => clearTimeout(timer);
  }, [shown]);
  const act = shown?.act;
  return (
    <div role="status" className={css.toasts}>
      {shown && (
        <p className={css.toast}>
          <span>{shown.text}</span>
          {act && (
            <button
              type="button"
              onClick={() => {
                set(null);
                act.run();
              }}
            >
              {act.label}
              {act.keys && <kbd>{keyLabel(act.keys).join(" ")}</kbd>}
            </button>
          )}
        </p>
      )}
    </div>
  );
}
