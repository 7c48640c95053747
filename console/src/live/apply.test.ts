import { describe, expect, it } from "vitest";
import { applyToList, applyToSet, batchOf, type ListData, type Row, takeFresh, type View } from "./apply";
import type { LiveEvent } from "./event";

interface Person extends Row {
  name: string;
  status?: string;
}

const view: View<Person> = { matches: () => true, whole: true, may: new Set(["users:ban"]) };
const at = "2026-01-01T00:00:00Z";

function list(items: Person[], offset = 0, total = items.length): ListData<Person> {
  return { pages: [{ items, next_cursor: null, epoch: "e", offset, total: { value: total, estimate: false } }], pageParams: [null] };
}

function event(offset: number, type: string, id: string, version: number, patch: Record<string, unknown> | null = {}): LiveEvent {
  return { id: `event-${offset}`, offset, at, type, subject: { kind: "user", id, version }, patch: patch && { id, version, ...patch }, acts: ["users.ban", "users.delete"] };
}

const apply = (data: ListData<Person>, events: LiveEvent[], as = view) => applyToList(data, batchOf(events, "user"), as);
const first = (data: ListData<Person>) => {
  const page = data.pages[0];
  if (!page) throw new Error("a list has a first page");
  return page;
};

/** A small seeded generator: the same shuffles in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("a list under events", () => {
  it("takes a higher version and leaves the other rows the very same objects", () => {
    const before = list([{ id: "a", version: 1, name: "A" }, { id: "b", version: 1, name: "B" }]);
    const after = apply(before, [event(1, "user.updated", "a", 2, { name: "A2" })]);
    expect(first(after).items[0]).toMatchObject({ name: "A2", version: 2 });
    expect(first(after).items[1]).toBe(first(before).items[1]);
  });

  it("ignores an older version and is then the same list", () => {
    const before = list([{ id: "a", version: 5, name: "A" }]);
    expect(apply(before, [event(1, "user.updated", "a", 4, { name: "old" })])).toBe(before);
  });

  it("cuts what a newcomer's row allows to what the viewer may", () => {
    const after = apply(list([]), [event(1, "user.created", "a", 1)]);
    expect(first(after).fresh?.[0]?.can).toEqual(["users.ban"]);
  });

  it("keeps what the hub said may be done to this row: nobody acts on who stands above them, and some hold a permission on some rows only", () => {
    const can = (before: string[], patch = {}) => first(apply(list([{ id: "a", version: 1, name: "A", can: before }]), [event(1, "user.updated", "a", 2, patch)])).items[0]?.can;
    expect(can([])).toEqual([]);
    expect(can(["users.delete"])).toEqual(["users.delete"]);
    // lifted meanwhile: the same permission, another act
    expect(can(["users.unban"])).toEqual(["users.ban"]);
    // with other roles they may stand elsewhere
    expect(can([], { roles: [{ id: "r" }] })).toEqual(["users.ban"]);
  });

  it("keeps an act that needs a permission of another name", () => {
    const can = (before: string[] | undefined, may: string[]) =>
      first(apply(list(before ? [{ id: "a", version: 1, name: "A", can: before }] : []), [{ ...event(1, before ? "user.updated" : "user.created", "a", before ? 2 : 1), acts: ["personal_data.export"] }], { ...view, may: new Set(may) }));
    expect(can(["personal_data.export"], ["users:export"]).items[0]?.can).toEqual(["personal_data.export"]);
    expect(can([], ["users:export"]).items[0]?.can).toEqual([]);
    expect([["users:export"], []].map((may) => can(undefined, may).fresh?.[0]?.can)).toEqual([["personal_data.export"], []]);
  });

  it("ends the same in every order and with every repeat of the events", () => {
    const events = [2, 3, 4, 5].flatMap((version) => ["a", "b"].map((id, index) => event(version * 2 + index, "user.updated", id, version, { name: `${id}${version}` })));
    for (let seed = 1; seed <= 1000; seed += 1) {
      const next = random(seed);
      const shuffled = [...events, ...events.slice(0, 3)].sort(() => next() - 0.5);
      let data = list([{ id: "a", version: 1, name: "a1" }, { id: "b", version: 1, name: "b1" }]);
      while (shuffled.length > 0) data = apply(data, shuffled.splice(0, 1 + Math.floor(next() * 3)));
      expect(first(data).items.map((row) => row.name)).toEqual(["a5", "b5"]);
    }
  });

  it("lets a newcomer wait, counts it, and lets it step in when asked", () => {
    const data = apply(list([{ id: "a", version: 1, name: "A" }]), [event(1, "user.created", "n", 1, { name: "New" })]);
    expect(first(data).items.map((row) => row.id)).toEqual(["a"]);
    expect(first(data).fresh?.map((row) => row.id)).toEqual(["n"]);
    expect(first(data).total?.value).toBe(2);
    const taken = takeFresh(data);
    expect(first(taken).items.map((row) => row.id)).toEqual(["n", "a"]);
    expect(first(taken).fresh).toEqual([]);
  });

  it("shows a newcomer once however often its event comes", () => {
    const created = event(1, "user.created", "n", 1, { name: "New" });
    const once = apply(list([]), [created]);
    expect(apply(once, [created])).toEqual(once);
    expect(first(apply(takeFresh(once), [created])).total?.value).toBe(1);
  });

  it("takes no notice of a newcomer the snapshot already counted", () => {
    const data = apply(list([], 7, 10), [event(7, "user.created", "n", 1)]);
    expect(first(data).fresh ?? []).toEqual([]);
    expect(first(data).total?.value).toBe(10);
  });

  it("leaves a newcomer out that the filter does not admit", () => {
    const banned = { ...view, whole: false, matches: (row: Person) => row.status === "banned" };
    expect(first(apply(list([]), [event(1, "user.created", "n", 1, { status: "active" })], banned)).fresh).toEqual([]);
  });

  it("keeps a deleted row where it is and says so", () => {
    const data = apply(list([{ id: "a", version: 1, name: "A" }]), [event(1, "user.deleted", "a", 2, null)]);
    expect(first(data).items[0]).toMatchObject({ id: "a", gone: true });
    expect(first(data).total?.value).toBe(0);
  });

  it("takes a row out of sight and shows one that came into it", () => {
    const before = list([{ id: "a", version: 1, name: "A" }, { id: "b", version: 1, name: "B" }], 0, 2);
    const removed = event(1, "user.removed", "a", 2, null);
    const data = apply(before, [removed]);
    expect(first(data).items.map((row) => row.id)).toEqual(["b"]);
    expect(first(data).total?.value).toBe(1);
    expect(first(apply(data, [removed])).total?.value).toBe(1);
    const filtered = { ...view, whole: false };
    expect(first(apply(before, [removed], filtered)).total?.value).toBe(1);
    const back = apply(data, [{ ...event(2, "user.teams_changed", "a", 3, { name: "A again" }), came: true }]);
    expect(first(back).fresh?.map((row) => row.name)).toEqual(["A again"]);
    expect(first(back).total?.value).toBe(2);
    expect(first(apply(back, [event(3, "user.removed", "a", 4, null)])).fresh).toEqual([]);
  });

  it("counts who went out of sight and came back in one frame once", () => {
    const before = list([{ id: "a", version: 1, name: "A" }], 0, 1);
    const came = { ...event(2, "user.teams_changed", "a", 3, { name: "A again" }), came: true };
    const data = apply(before, [event(1, "user.removed", "a", 2, null), came]);
    expect(first(data).items.map((row) => row.name)).toEqual(["A again"]);
    expect(first(data).total?.value).toBe(1);
  });

  it("counts the people of an import that its event did not carry as unread", () => {
    const imported: LiveEvent = {
      offset: 1, at, type: "users.imported", subject: { kind: "import", id: "i", version: 1 },
      data: { import_id: "i", seq: 1, inserted: 500, updated: 0 }, rows: [{ id: "n", version: 1, name: "N" }],
    };
    const page = first(apply(list([]), [imported]));
    expect(page.fresh?.map((row) => row.id)).toEqual(["n"]);
    expect(page.unread).toBe(499);
    expect(page.total?.value).toBe(500);
  });

  it("counts an import and a deletion once however often their events come", () => {
    const imported: LiveEvent = { offset: 4, at, type: "users.imported", subject: { kind: "import", id: "i", version: 1 }, data: { inserted: 500, updated: 0 }, rows: [] };
    const deleted = event(5, "user.deleted", "a", 2, null);
    const once = apply(list([{ id: "a", version: 1, name: "A" }], 3, 10), [imported, deleted]);
    expect(first(once).total?.value).toBe(509);
    // The page was brought up to the present when it was read, and the frame then delivers the same events.
    expect(first(apply(once, [imported, deleted])).total?.value).toBe(509);
    expect(first(apply(once, [imported, deleted])).unread).toBe(500);
  });

  it("leaves out of the total what the snapshot counted before its event had a place", () => {
    const imported: LiveEvent = { offset: 8, at, type: "users.imported", subject: { kind: "import", id: "i", version: 1 }, data: { inserted: 500, updated: 0 }, rows: [] };
    const before = list([{ id: "shown", version: 1, name: "S" }], 7, 1000);
    before.pages = before.pages.map((page) => ({ ...page, total: { value: 1000, estimate: false, ahead: 501 } }));
    const data = apply(before, [event(8, "user.created", "shown", 1), { ...imported, offset: 9 }]);
    expect(first(data).total).toMatchObject({ value: 1000, ahead: 0 });
    expect(first(apply(data, [{ ...imported, offset: 10 }])).total?.value).toBe(1500);
    const fewer = list([], 7, 1000);
    fewer.pages = fewer.pages.map((page) => ({ ...page, total: { value: 1000, estimate: false, ahead: -1 } }));
    expect(first(apply(fewer, [event(8, "user.deleted", "x", 2, null), event(9, "user.deleted", "y", 2, null)])).total).toMatchObject({ value: 999, ahead: 0 });
  });

  it("does not take for a newcomer who came before the snapshot and changed after it", () => {
    const data = apply(list([], 7, 10), [event(7, "user.created", "n", 1), event(8, "user.updated", "n", 2)]);
    expect(first(data).fresh ?? []).toEqual([]);
    expect(first(data).total?.value).toBe(10);
  });

  it("counts by the places of the list's own channel only", () => {
    const elsewhere = { ...event(900, "user.created", "n", 1), channel: "inbox:me" };
    const data = applyToList(list([], 7, 10), batchOf([elsewhere], "user", "feed:users"), view);
    expect(first(data).total?.value).toBe(10);
    const here = { ...event(8, "user.created", "n", 1), channel: "feed:users" };
    expect(first(applyToList(data, batchOf([elsewhere, here], "user", "feed:users"), view)).total?.value).toBe(11);
  });

  it("patches the rows an import carries", () => {
    const imported: LiveEvent = { offset: 1, at, type: "users.imported", subject: { kind: "import", id: "i", version: 1 }, data: { inserted: 0, updated: 1 }, rows: [{ id: "a", version: 2, name: "A2" }] };
    const page = first(apply(list([{ id: "a", version: 1, name: "A" }]), [imported]));
    expect(page.items[0]).toMatchObject({ name: "A2", version: 2 });
    expect(page.unread).toBe(0);
  });
});

describe("a set that is read at once", () => {
  const role = (type: string, id: string, version: number, name = id): LiveEvent => ({ channel: "feed:roles", offset: version, at, type, subject: { kind: "role", id, version }, patch: { id, version, name } });
  const after = (...events: LiveEvent[]) => applyToSet({ items: [{ id: "a", version: 1, name: "a", members: 3 } as Person] }, batchOf(events, "role", "feed:roles"), new Set());

  it("takes what was changed, and keeps what no event carries", () => expect(after(role("role.changed", "a", 2, "A")).items).toMatchObject([{ name: "A", members: 3 }]));
  it("takes what was made at its end, once", () => {
    const set = after(role("role.created", "b", 1), role("role.created", "b", 1));
    expect(set.items.map((item) => item.id)).toEqual(["a", "b"]);
  });
  it("says of what was deleted that it is gone", () => expect(after(role("role.deleted", "a", 2)).items).toMatchObject([{ id: "a", gone: true }]));
});
