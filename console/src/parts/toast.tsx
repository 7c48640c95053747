/** One short note at the bottom, said aloud to screen readers. */
import Snackbar from "@mui/material/Snackbar";
import { useSyncExternalStore } from "react";

let message: { text: string; key: number } | null = null;
const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};

export function toast(text: string): void {
  message = { text, key: Date.now() };
  tell();
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => message,
  );
  const close = () => {
    message = null;
    tell();
  };
  return <Snackbar key={shown?.key} open={shown !== null} message={shown?.text} autoHideDuration={4000} onClose={close} />;
}
