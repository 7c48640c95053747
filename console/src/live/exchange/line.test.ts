import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Say, Tell } from "./wire";

vi.mock("./worker?worker&url", () => ({ default: "/assets/worker.js" }));

const local: { hear: (tells: Tell[]) => void; said: Say[] }[] = [];
vi.mock("./local", () => ({
  openLocal: (hear: (tells: Tell[]) => void) => {
    const one = { hear, said: [] as Say[] };
    local.push(one);
    return { say: (say: Say) => one.said.push(say), close: () => {} };
  },
}));

/** Locks of one browser: the holder's promise settles, or `free` is called, and the next in line has it. */
class Locks {
  private lines = new Map<string, (() => unknown)[]>();
  request(name: string, ...rest: unknown[]): Promise<void> {
    const run = rest.at(-1) as () => unknown;
    const signal = (rest[0] as { signal?: AbortSignal } | undefined)?.signal;
    return new Promise((granted, refused) => {
      signal?.addEventListener("abort", () => refused(new Error("aborted")));
      const line = this.lines.get(name) ?? [];
      this.lines.set(name, line);
      line.push(() => granted(run() as undefined));
      if (line.length === 1) queueMicrotask(() => line[0]?.());
    });
  }
  hold(name: string): void {
    this.lines.set(name, [() => {}]);
  }
  free(name: string): void {
    const line = this.lines.get(name) ?? [];
    line.shift();
    line[0]?.();
  }
}

class Worker {
  static made: Worker[] = [];
  static refuse = false;
  onerror: (() => void) | null = null;
  said: Say[] = [];
  closed = false;
  port = { onmessage: null as ((event: { data: Tell[] }) => void) | null, postMessage: (say: Say) => this.said.push(say), close: () => void (this.closed = true) };
  constructor(readonly address: string) {
    if (Worker.refuse) throw new TypeError("refused");
    Worker.made.push(this);
  }
  tells(...tells: Tell[]): void {
    this.port.onmessage?.({ data: tells });
  }
}

const turn = () => vi.advanceTimersByTimeAsync(0);
const welcome = (lock: string): Tell => ({ is: "welcome", lock });
let locks: Locks;

async function open(trustedTypes?: object) {
  vi.resetModules();
  vi.stubGlobal("window", { trustedTypes });
  const { openLine } = await import("./line");
  const heard: Tell[] = [];
  const line = openLine("ann", (tells) => heard.push(...tells));
  await turn();
  return { line, heard };
}

describe("the way to an exchange", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    local.length = 0;
    Worker.made = [];
    Worker.refuse = false;
    locks = new Locks();
    vi.stubGlobal("navigator", { locks });
    vi.stubGlobal("SharedWorker", Worker);
  });
  afterEach(() => void vi.unstubAllGlobals());

  it("is the worker's, told the name of a lock that this tab holds", async () => {
    const { line, heard } = await open();
    const [worker] = Worker.made;
    expect(worker?.said).toEqual([{ do: "hello", user: "ann", lock: expect.stringMatching(/^signalbox\.tab\./) as string }]);
    worker?.tells(welcome("w"));
    line.say({ do: "measure" });
    expect([heard, worker?.said.at(-1), local.length]).toEqual([[welcome("w")], { do: "measure" }, 0]);
  });

  it("takes the address from the one policy of Trusted Types", async () => {
    const names: string[] = [];
    await open({
      createPolicy: (name: string, rules: { createScriptURL: (url: string) => string }) => {
        names.push(name);
        return rules;
      },
    });
    expect([names, Worker.made[0]?.address]).toEqual([["live-worker"], "/assets/worker.js"]);
  });

  it.each([
    ["there are no shared workers", () => vi.stubGlobal("SharedWorker", undefined), undefined],
    ["the browser refuses this one", () => void (Worker.refuse = true), undefined],
    ["the page's header allows no policy", () => {}, { createPolicy: () => { throw new TypeError("disallowed"); } }],
  ])("is one of the tab's own where %s", async (_, prepare, trustedTypes) => {
    prepare();
    await open(trustedTypes);
    await turn();
    expect([Worker.made.length, local[0]?.said]).toEqual([0, [{ do: "hello", user: "ann", lock: null }]]);
  });

  it("is one of the tab's own where the worker's script cannot be had", async () => {
    await open();
    Worker.made[0]?.onerror?.();
    await turn();
    expect([Worker.made[0]?.closed, local[0]?.said[0]?.do]).toEqual([true, "hello"]);
  });

  it("is one of the tab's own where the worker does not answer, which is then heard no more", async () => {
    const { heard } = await open();
    await vi.advanceTimersByTimeAsync(6000);
    Worker.made[0]?.tells(welcome("late"));
    expect([local.length, Worker.made[0]?.said.at(-1), heard]).toEqual([1, { do: "bye", signedOut: false }, []]);
  });

  it("is found anew when the worker ended, once for each that did", async () => {
    await open();
    locks.hold("first");
    Worker.made[0]?.tells(welcome("first"));
    Worker.made[0]?.tells(welcome("first"));
    await turn();
    expect(Worker.made.length).toBe(1);
    locks.free("first");
    await turn();
    expect(Worker.made.map((worker) => worker.said[0]?.do)).toEqual(["hello", "hello"]);
  });

  it("is not found anew by a tab that closed it", async () => {
    const { line } = await open();
    locks.hold("first");
    Worker.made[0]?.tells(welcome("first"));
    line.close();
    locks.free("first");
    await turn();
    expect([Worker.made.length, Worker.made[0]?.closed]).toEqual([1, true]);
  });
});
