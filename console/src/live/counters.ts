/** The overview's counters since this tab was opened, for the small curves beside the numbers. */
import type { Overview } from "../api/types";

type Counters = Overview["counters"];

export interface Sample {
  at: number;
  counters: Counters;
}

/** Samples kept, and the least time between two in milliseconds: together about five minutes. */
const KEPT = 150;
const APART = 2000;

const samples: Sample[] = [];

export function noteCounters(counters: Counters, at: number): void {
  const last = samples.at(-1);
  if (last && at - last.at < APART) {
    last.counters = { ...last.counters, ...counters };
    return;
  }
  samples.push({ at, counters: { ...last?.counters, ...counters } });
  if (samples.length > KEPT) samples.shift();
}

export const curve = (name: keyof Counters): number[] => samples.map((sample) => Number(sample.counters[name] ?? 0));
