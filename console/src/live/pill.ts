/** What the connection pill shows, and the card behind it. */
import { useSyncExternalStore } from "react";
import type { LinkFacts } from "./exchange/wire";

export type PillState = "connecting" | "live" | "reconnecting" | "resumed" | "refetched" | "stopped" | "ended";

export interface Pill {
  state: PillState;
  /** Milliseconds of the clock; null before the first event. */
  lastEvent: number | null;
  resumedEvents: number;
  /** What the hub said when it closed the link without ending the session. */
  reason: string;
  facts: LinkFacts | null;
}

/** How long "resumed" and "refetched" stand before the pill says "live" again, in milliseconds. */
const NOTE = 6000;

class PillStore {
  private now: Pill = { state: "connecting", lastEvent: null, resumedEvents: 0, reason: "", facts: null };
  private listeners = new Set<() => void>();
  private back: ReturnType<typeof setTimeout> | undefined;
  private told = 0;

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  get = () => this.now;

  private set(next: Partial<Pill>): void {
    this.now = { ...this.now, ...next };
    for (const listener of this.listeners) listener();
  }

  private stand(next: Partial<Pill>): void {
    clearTimeout(this.back);
    this.set(next);
  }

  private note(next: Partial<Pill>): void {
    this.stand(next);
    this.back = setTimeout(() => this.set({ state: "live" }), NOTE);
  }

  facts(facts: LinkFacts): void {
    this.set({ facts });
  }
  connecting(): void {
    this.stand({ state: "connecting" });
  }
  connected(): void {
    this.stand({ state: "live" });
  }
  reconnecting(): void {
    this.stand({ state: "reconnecting" });
  }
  stopped(reason: string): void {
    this.stand({ state: "stopped", reason, facts: null });
  }
  ended(): void {
    this.stand({ state: "ended", facts: null });
  }
  resumed(events: number): void {
    this.note({ state: "resumed", resumedEvents: events });
  }
  refetched(): void {
    this.note({ state: "refetched" });
  }
  /** The age is shown in whole seconds, so a burst of events needs no more than four notices a second. */
  event(): void {
    const at = Date.now();
    if (at - this.told < 250) {
      this.now.lastEvent = at;
      return;
    }
    this.told = at;
    this.set({ lastEvent: at });
  }
}

export const pill = new PillStore();
export const usePill = (): Pill => useSyncExternalStore(pill.subscribe, pill.get);
