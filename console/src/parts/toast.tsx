/** One short note at the bottom, said aloud to screen readers. */
import { useEffect, useSyncExternalStore } from "react";
import css from "./toast.module.css";

/** How long a note stands, in milliseconds. */
const STANDS = 4000;

let message: { text: string } | null = null;
const listeners = new Set<() => void>();

function set(next: typeof message): void {
  message = next;
  for (const listener of listeners) listener();
}

export const toast = (text: string): void => set({ text });

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => message);
  useEffect(() => {
    if (!shown) return;
    const timer = setTimeout(() => set(null), STANDS);
    return () => clearTimeout(timer);
  }, [shown]);
  return (
    <div role="status" className={css.toasts}>
      {shown && <p className={css.toast}>{shown.text}</p>}
    </div>
  );
}
