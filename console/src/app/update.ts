/**
 * Knows when the hub serves a newer console than the one that runs here. Asked when the live link comes back, since a hub
 * changes only by starting anew; nothing polls.
 */
import { useSyncExternalStore } from "react";
import { router } from "./router";

/** The entry script a page names: its hash changes with anything in the console. */
const entryOf = (html: string): string | undefined => /<script[^>]+src="(\/assets\/[^"]+)"/.exec(html)?.[1];

const running = (): string | undefined => {
  const script = document.querySelector<HTMLScriptElement>("script[type=module][src^='/assets/']");
  return script ? new URL(script.src).pathname : undefined;
};

let ready = false;
let held = 0;
const listeners = new Set<() => void>();
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Whether a newer console waits. */
export const useUpdate = (): boolean => useSyncExternalStore(subscribe, () => ready);

export async function lookForUpdate(): Promise<boolean> {
  const own = running();
  if (!own || ready) return ready;
  const answer = await fetch("/", { cache: "no-store", headers: { Accept: "text/html" } }).catch(() => null);
  const served = answer?.ok ? entryOf(await answer.text()) : undefined;
  ready = served !== undefined && served !== own;
  if (ready) for (const listener of listeners) listener();
  return ready;
}

/** While something runs that a reload would break off, such as an upload. The returned function ends it. */
export function holdUpdate(): () => void {
  held += 1;
  return () => {
    held -= 1;
  };
}

/** Takes the newer console with the next step to another page, and where a part of the old one is gone from the hub. */
export function takeUpdates(): void {
  router.subscribe("onBeforeNavigate", ({ toLocation, pathChanged }) => {
    if (ready && pathChanged && held === 0) location.assign(toLocation.href);
  });
  addEventListener("vite:preloadError", () => void lookForUpdate().then((newer) => newer && location.reload()));
}
