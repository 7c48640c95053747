/**
 * One registry of everything a key or the palette can do. Palette, tooltips, the `?` sheet and the tests read it.
 * Keys: "mod+k", single characters, "shift+x", or a sequence as "g u". Letters are matched by what they type.
 */
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Command {
  id: string;
  keys?: string;
  label: string;
  group: string;
  run: () => void;
  /** Not offered in the palette: moving about in a list, for instance. */
  keyOnly?: boolean;
  /** Works while an overlay is open or a field has the focus. */
  everywhere?: boolean;
}

let commands: readonly Command[] = [];
const listeners = new Set<() => void>();
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

function put(next: readonly Command[]): void {
  commands = next;
  for (const listener of listeners) listener();
}

export const useCommands = (): readonly Command[] => useSyncExternalStore(subscribe, () => commands);

/** Offers commands while the component is there. Their `run` may close over fresh values. */
export function useOffer(offered: Command[]): void {
  const latest = useRef(offered);
  latest.current = offered;
  const shape = offered.map((command) => `${command.id} ${command.keys ?? ""} ${command.label}`).join("\n");
  useEffect(() => {
    const stable = latest.current.map((command) => ({ ...command, run: () => latest.current.find((c) => c.id === command.id)?.run() }));
    put([...commands, ...stable]);
    return () => put(commands.filter((command) => !stable.includes(command)));
  }, [shape]);
}

const SINGLE = "signalbox.single-keys";
export const singleKeys = (): boolean => localStorage.getItem(SINGLE) !== "off";
export const setSingleKeys = (on: boolean): void => localStorage.setItem(SINGLE, on ? "on" : "off");

export function keyName(event: Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey">): string {
  const key = event.key === " " ? "space" : event.key.length === 1 ? event.key.toLowerCase() : event.key.toLowerCase();
  const letter = /^[a-z]$/.test(key) || key.length > 1;
  return `${event.ctrlKey || event.metaKey ? "mod+" : ""}${event.shiftKey && letter ? "shift+" : ""}${key}`;
}

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && !(target instanceof HTMLInputElement && target.type === "checkbox");

const overlay = () => document.querySelector("[role=dialog][aria-modal=true], [role=menu]") !== null;

/** A link or button that has the focus keeps Enter and Space for itself. */
const ownKey = (target: EventTarget | null, name: string) =>
  (name === "enter" || name === "space") && target instanceof HTMLElement && target.closest("a, button, [role=tab], [role=checkbox], input") !== null;

/** How long the second key of a sequence may take, in milliseconds. */
const SEQUENCE = 1200;

/** Listens to the keyboard; the returned function stops it. */
export function listen(): () => void {
  let before = "";
  let began = 0;
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const name = keyName(event);
    // Out of a field first, so that the keys of the page work again; what was typed stays.
    if (name === "escape" && typing(event.target) && !overlay()) {
      event.preventDefault();
      (event.target as HTMLElement).blur();
      return;
    }
    const single = !name.startsWith("mod+") && name !== "escape";
    const quiet = typing(event.target) || overlay() || (single && !singleKeys()) || ownKey(event.target, name);
    const sequence = before && event.timeStamp - began < SEQUENCE ? `${before} ${name}` : "";
    const candidates = commands.filter((command) => !quiet || (command.everywhere && !single));
    const hit = candidates.findLast((command) => sequence !== "" && command.keys === sequence) ?? candidates.findLast((command) => command.keys === name);
    before = hit || quiet ? "" : name;
    began = event.timeStamp;
    if (!hit) return;
    event.preventDefault();
    hit.run();
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}

/** "mod+k" as this machine's keyboard names it. */
export function keyLabel(keys: string): string[] {
  const mac = /mac/i.test(navigator.userAgent);
  const words: Record<string, string> = { mod: mac ? "⌘" : "Ctrl", shift: "Shift", space: "Space", enter: "Enter", escape: "Esc" };
  return keys.split(/[ +]/).map((key) => words[key] ?? key.toUpperCase());
}
