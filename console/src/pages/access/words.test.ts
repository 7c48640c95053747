import { describe, expect, it } from "vitest";
import "../../i18n/roles";
import { answerWords, lineWords } from "./words";

const line = (via: string[], effect: "grant" | "deny" = "grant", on: "everywhere" | "own" | "team" | "own_or_team" = "everywhere", resource: { kind: string; id: string } | null = null) => ({ effect, on, resource, decides: true, via: via.map((name) => ({ id: name, name })) });

describe("a reason in words", () => {
  it("tells the way from the role that is held, through its parents, to the one that says it", () => expect(lineWords(line(["Night", "Senior", "viewer"], "grant", "team"))).toBe("They hold Night, which inherits from Senior, which inherits from Viewer, which grants it within their teams"));
  it("names the team by which a role comes, and one that may not be seen by its id", () => {
    const through = (name: string | null) => lineWords({ ...line(["Night", "viewer"]), team: { id: "0123456789", name } });
    expect(through("Support")).toBe("They hold Night through the team Support, which inherits from Viewer, which grants it on everything");
    expect(through(null)).toBe("They hold Night through the team 01234567…, which inherits from Viewer, which grants it on everything");
  });
  it("tells what is said of a person directly", () => {
    expect(lineWords(line([], "deny"))).toBe("A direct permission denies it");
    expect(lineWords(line([], "grant", "everywhere", { kind: "user", id: "1" }))).toBe("A direct permission grants it on this one row");
  });
});

it("says what decided, for every answer there is", () => {
  const decisions = ["denial", "single_grant", "direct_grant", "roles", "nothing", "not_active"] as const;
  const words = decisions.flatMap((decision) => [true, false].map((allowed) => answerWords({ allowed, decision })));
  expect(words.every((text) => text.length > 10 && !text.startsWith("why."))).toBe(true);
  expect(answerWords({ allowed: false, decision: "denial" })).toBe("It is denied, and a denial beats every grant.");
});
