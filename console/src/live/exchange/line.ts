/**
 * The tab's way to an exchange: the shared worker's where there is one and it answers, else one of its own. Whichever it is,
 * `hear` gets `welcome` first, and again after the worker was ended by the browser and another took its place.
 */
import address from "./worker?worker&url";
import type { Line, Say, Tell } from "./wire";

/** How long the worker may take to answer before the tab helps itself, in milliseconds. */
const ANSWER = 5000;

/**
 * Trusted Types admit a worker's address only from a policy; this one admits the one address and is made only here. Browsers
 * without Trusted Types take it as it is. Null where the page's header allows no such policy.
 */
function trust(): string | null {
  const { trustedTypes } = window as { trustedTypes?: { createPolicy: (name: string, rules: object) => { createScriptURL: (url: string) => unknown } } };
  if (!trustedTypes) return address;
  try {
    return trustedTypes.createPolicy("live-worker", { createScriptURL: () => address }).createScriptURL("") as string;
  } catch {
    return null;
  }
}

const trusted = trust();

type Hear = (tells: Tell[]) => void;

export function openLine(user: string, hear: Hear): Line {
  const name = `signalbox.tab.${crypto.randomUUID()}`;
  const over = new AbortController();
  let line: Line | null = null;
  let closed = false;
  let watched: string | null = null;

  const open = async (next: Line | null, lock: string | null) => {
    line = next ?? (await import("./local")).openLocal(hear);
    if (closed) line.close();
    else line.say({ do: "hello", user, lock });
  };
  const alone = () => void open(null, null);
  const shared = () => {
    if (closed) return;
    const worker = openShared(
      (tells) => {
        const [first] = tells;
        if (first?.is === "welcome" && first.lock && first.lock !== watched) {
          watched = first.lock;
          void whenFree(first.lock, over.signal, shared);
        }
        hear(tells);
      },
      alone,
    );
    if (worker) void open(worker, name);
    else alone();
  };
  // Held until this tab is gone, however it goes: so the worker knows. Nothing is said before it is held.
  void navigator.locks.request(name, () => {
    shared();
    return new Promise<void>((done) => over.signal.addEventListener("abort", () => done()));
  });
  return {
    say: (say: Say) => line?.say(say),
    close: () => {
      closed = true;
      over.abort();
      line?.close();
    },
  };
}

/** Null where the browser knows no shared workers or refuses this one at once; `failed` where that shows later. */
function openShared(hear: Hear, failed: () => void): Line | null {
  if (typeof SharedWorker === "undefined" || trusted === null) return null;
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(trusted, { type: "module", name: "signalbox" });
  } catch {
    return null;
  }
  const { port } = worker;
  const giveUp = () => {
    clearTimeout(late);
    port.onmessage = null;
    port.postMessage({ do: "bye", signedOut: false } satisfies Say);
    port.close();
    failed();
  };
  const late = setTimeout(giveUp, ANSWER);
  worker.onerror = giveUp;
  port.onmessage = ({ data }: MessageEvent<Tell[]>) => {
    clearTimeout(late);
    worker.onerror = null;
    hear(data);
  };
  return {
    say: (say) => port.postMessage(say),
    close: () => {
      clearTimeout(late);
      port.close();
    },
  };
}

function whenFree(lock: string, signal: AbortSignal, gone: () => void): Promise<void> {
  return navigator.locks.request(lock, { signal }, gone).catch(() => {});
}
