/** The shared worker: one for all tabs of this console in this browser. It ends with the last of them. */
import { Exchange } from "./exchange";
import { openSocket } from "./socket";
import type { Say } from "./wire";

// Held for as long as this worker lives: the tabs wait for it, and so know when it was ended.
const lock = `signalbox.live.${crypto.randomUUID()}`;

async function begin(): Promise<Exchange> {
  await new Promise<void>((held) => {
    void navigator.locks.request(lock, () => {
      held();
      return new Promise(() => {});
    });
  });
  const whenFree = (name: string, gone: () => void) => void navigator.locks.request(name, gone);
  return new Exchange({ open: openSocket, whenFree, lock });
}

const exchange = begin();

addEventListener("connect", (event) => {
  const [port] = (event as MessageEvent).ports;
  if (!port) return;
  void exchange.then((exchange) => {
    const hear = exchange.join((tells) => port.postMessage(tells));
    port.onmessage = ({ data }: MessageEvent<Say>) => hear(data);
  });
});
