import { describe, expect, it } from "vitest";
import type { LiveEvent } from "./event";
import { withUses } from "./keyUse";

const used = (id: string, at: string): LiveEvent => ({ type: "api_key.used", at, subject: { kind: "api_key", id }, data: { first_used_at: "1", last_used_at: at, last_used_ip: "192.0.2.1" } });
const rows = [{ id: "a", version: 3 }, { id: "b", version: 1 }];

describe("uses of keys", () => {
  it("stand in the rows they are of, and no version changes", () =>
    expect(withUses(rows, [used("a", "1"), used("a", "2")])).toEqual([{ id: "a", version: 3, first_used_at: "1", last_used_at: "2", last_used_ip: "192.0.2.1" }, { id: "b", version: 1 }]));
  it("leave the rows as they are where they are of others", () => expect(withUses(rows, [used("c", "1")])).toBe(rows));
});
