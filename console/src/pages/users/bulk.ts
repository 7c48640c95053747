/** One act on many people, asked of the hub: of named ones at once, of all that match as a job. */
import { api, must, once } from "../../api/client";
import type { paths } from "../../api/schema.gen";
import type { User } from "../../api/types";
import type { Outcome } from "../../parts/bulk";

type NewBulk = paths["/api/v1/users/bulk"]["post"]["requestBody"]["content"]["application/json"];
export type BulkAction = Exclude<NewBulk["action"], "reset_password">;

export const NEEDS = {
  ban: "users:ban",
  unban: "users:ban",
  suspend: "users:ban",
  reinstate: "users:ban",
  delete: "users:delete",
  assign_role: "roles:assign",
  revoke_role: "roles:assign",
} as const satisfies Record<BulkAction, string>;

/** People that one request may name. */
const MOST = 500;

export const startBulk = (body: NewBulk) => must(api.POST("/api/v1/users/bulk", { body, params: { header: once() } as never }));

/** How many it is about and what it ends, without doing it. */
export const countBulk = (body: NewBulk) => must(api.POST("/api/v1/users/bulk", { body: { ...body, dry_run: true } }));

/** Does it to `users`, as many at a time as one request takes. */
export async function runBulk(users: User[], act: Omit<NewBulk, "ids" | "filter">, told: (done: Outcome<User>[]) => void): Promise<Outcome<User>[]> {
  const done: Outcome<User>[] = [];
  for (let from = 0; from < users.length; from += MOST) {
    const part = users.slice(from, from + MOST);
    const outcome = await startBulk({ ...act, ids: part.map((user) => user.id) }).catch((reason: unknown) => (reason instanceof Error ? reason.message : String(reason)));
    for (const item of part) {
      const told = typeof outcome === "string" ? null : outcome.items.find((one) => one.user === item.id);
      done.push({ item, error: typeof outcome === "string" ? outcome : told?.done ? null : (told?.detail ?? "") });
    }
    told([...done]);
  }
  return done;
}
