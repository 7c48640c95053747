import { afterEach, describe, expect, it, vi } from "vitest";
import { prove, provedBy, wantsProof } from "./stepUp";

const answer = (status: number, code: string) => new Response(JSON.stringify({ code }), { status });

describe("proving who one is", () => {
  let forget = () => {};
  afterEach(() => forget());

  it("asks once for all that wait, and again the next time", async () => {
    const ask = vi.fn(() => Promise.resolve(true));
    forget = provedBy(ask);
    expect(await Promise.all([prove(), prove(), prove()])).toEqual([true, true, true]);
    expect(ask).toHaveBeenCalledTimes(1);
    await prove();
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("is not done where nobody asks", async () => {
    expect(await prove()).toBe(false);
  });

  it("is wanted by one answer alone", async () => {
    expect(await wantsProof(answer(403, "auth.step_up_needed"))).toBe(true);
    expect(await wantsProof(answer(403, "permission.missing"))).toBe(false);
    expect(await wantsProof(answer(200, "auth.step_up_needed"))).toBe(false);
    expect(await wantsProof(new Response("no json", { status: 403 }))).toBe(false);
  });
});
