import { QueryClient } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import type { LiveEvent } from "./event";
import { applySessions, patchSessions, type SessionRow } from "./sessions";

const row = (id: string, user: string, sockets = 0): SessionRow => ({ id, user: { id: user }, sockets });
const sockets = (channel: string, counts: Record<string, number>): LiveEvent => ({ type: "session.sockets", at: "", channel, sockets: counts });
const ended = (id: string): LiveEvent => ({ type: "session.revoked", at: "", channel: "feed:sessions", subject: { kind: "session", id, version: 2 } });

describe("sessions on the screen", () => {
  it("have as many connections as was told last, and none where nothing is told of them", () => {
    const rows = [row("a", "ada", 2), row("b", "bob", 1)];
    const after = patchSessions(rows, [sockets("feed:sessions", { a: 3 })]);
    expect(after.map((one) => one.sockets)).toEqual([3, 0]);
  });

  it("of others are not touched by what is told of one person's", () => {
    const rows = [row("a", "ada", 2), row("b", "bob", 1)];
    expect(patchSessions(rows, [sockets("sessions:ada", {})]).map((one) => one.sockets)).toEqual([0, 1]);
  });

  it("stay the same rows where nothing of them changed, so that nothing is drawn again", () => {
    const rows = [row("a", "ada", 2)];
    expect(patchSessions(rows, [sockets("feed:sessions", { a: 2 }), ended("other")])).toBe(rows);
  });

  it("stay where they are when they end, and say so", () => {
    expect(patchSessions([row("a", "ada")], [ended("a")])[0]?.over).toBe(true);
  });

  it("that begin wait to be read", () => {
    const queries = new QueryClient();
    const key = ["sessions", "list", {}];
    queries.setQueryData(key, { pages: [{ items: [row("a", "ada")] }], pageParams: [null] });
    applySessions(queries, [{ type: "session.created", at: "", channel: "feed:sessions", subject: { kind: "session", id: "n", version: 1 } }]);
    expect(queries.getQueryData<{ pages: { unread?: number }[] }>(key)?.pages[0]?.unread).toBe(1);
  });
});
