import { describe, expect, it } from "vitest";
import { toBytes, toText } from "./webauthn";

describe("bytes as text", () => {
  it("come back as they went, whatever they are", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    for (const length of [0, 1, 2, 3, 255, 256]) {
      const some = bytes.slice(0, length);
      const text = toText(some.buffer);
      expect(text).toMatch(/^[\w-]*$/);
      expect(toBytes(text)).toEqual(some);
    }
  });
});
