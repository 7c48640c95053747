/** The exchange within one tab, where the browser has no shared workers or refuses this one. */
import { Exchange } from "./exchange";
import { openSocket } from "./socket";
import type { Line, Tell } from "./wire";

export function openLocal(hear: (tells: Tell[]) => void): Line {
  // Nobody else is here whose end could be waited for.
  const exchange = new Exchange({ open: openSocket, whenFree: () => {}, lock: null });
  const say = exchange.join(hear);
  return { say, close: () => {} };
}
