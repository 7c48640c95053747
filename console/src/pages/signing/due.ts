import type { SigningKey } from "../../api/types";

/** How long what is shown may be behind a rotation by somebody else, in milliseconds: none is told live. */
const BEHIND = 60_000;
/** The hub's clock and this one differ: a change is looked for a moment after it was due, and not without pause. */
const LATE = 2_000;

/** When the keys are asked for again, in milliseconds: as the next of them begins to sign or ends. */
export function askAgain(keys: readonly Pick<SigningKey, "state" | "active_from" | "verifies_until">[], now: number): number {
  const due = keys.map(({ state, active_from, verifies_until }) => Date.parse((state === "next" ? active_from : verifies_until) ?? "") - now);
  return Math.min(BEHIND, ...due.filter(Number.isFinite).map((left) => Math.max(0, left) + LATE));
}
