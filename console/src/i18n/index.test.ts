import { describe, expect, it } from "vitest";
import { bytes, t, tOr } from ".";
import "./people";

describe("texts", () => {
  it("count in words", () => {
    expect(t("bulk.selected", { n: 1 })).toBe("1 selected");
    expect(t("impact.sessions", { n: 0 })).toBe("They have no open session.");
    expect(t("impact.sessions", { n: 3 })).toBe("Ends 3 sessions.");
  });
  it("fall back where the hub names something newer than the catalogue", () => expect(tOr("did.user.cloned", "user.cloned")).toBe("user.cloned"));
  it("say bytes as people do", () => expect([bytes(999), bytes(1500), bytes(512_000_000)]).toEqual(["999 B", "1.5 kB", "512 MB"]));
});
