import { describe, expect, it } from "vitest";
import { kept } from "./kept";

describe("a view keeps", () => {
  it("filters, search and order, in one order whatever the address's", () => expect(kept({ sort: "name", q: "a b&c", status: "banned" })).toBe("q=a+b%26c&sort=name&status=banned"));
  it("neither what is open nor what is empty", () => expect(kept({ open: "1", tab: "raw", create: "1", q: "", role: undefined })).toBe(""));
});
