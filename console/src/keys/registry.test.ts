import { describe, expect, it } from "vitest";
import { keyName } from "./registry";

const press = (key: string, held: Partial<Record<"shiftKey" | "ctrlKey" | "metaKey", boolean>> = {}) => keyName({ key, shiftKey: false, ctrlKey: false, metaKey: false, ...held });

describe("the name of a key", () => {
  it("is the letter it types", () => expect(press("J")).toBe("j"));
  it("tells shift with letters and named keys only: ? is typed with shift on most keyboards", () => {
    expect(press("X", { shiftKey: true })).toBe("shift+x");
    expect(press("Enter", { shiftKey: true })).toBe("shift+enter");
    expect(press("?", { shiftKey: true })).toBe("?");
  });
  it("takes Control and Command for the same", () => {
    expect(press("k", { ctrlKey: true })).toBe("mod+k");
    expect(press("k", { metaKey: true })).toBe("mod+k");
  });
  it("names the space bar", () => expect(press(" ")).toBe("space"));
});
