import { expect, test } from "vitest";
import { Problem } from "./problem";

const of = (status: number, code: string) => new Problem(status, code, "It did not work.", "0".repeat(32), [], null, null, status === 403 ? "sealed" : null);

test("only what nobody expected is traced by its request's id", () => {
  expect([400, 500, 503].map((status) => of(status, "x").unexpected)).toEqual([true, true, true]);
  expect([0, 401, 403, 404, 409, 412, 422, 429].filter((status) => of(status, "x").unexpected)).toEqual([]);
});

test("only a refusal that somebody else can explain and mend shows its id", () => {
  expect(["permission.missing", "permission.outranked", "roles.out_of_reach", "auth.address_refused"].every((code) => of(403, code).explainable)).toBe(true);
  expect(["factor.refused", "auth.wrong_password", "auth.step_up_needed", "sign_up.closed"].some((code) => of(403, code).explainable)).toBe(false);
  expect(of(409, "roles.own").explainable).toBe(false);
});
