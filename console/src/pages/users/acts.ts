/** What an operator does to a person. None of it is optimistic: the row changes when the hub says so. */
import { api, must } from "../../api/client";
import type { User } from "../../api/types";
import { showRow } from "../../live/store";
import { once } from "./queries";

type Target = Pick<User, "id" | "version">;

const path = (user: Target) => ({ path: { id: user.id } });

export async function ban(user: Target, reason: string): Promise<void> {
  showRow("user", await must(api.POST("/api/v1/users/{id}/ban", { params: { ...path(user), header: once() } as never, body: { reason } })));
}

export async function unban(user: Target): Promise<void> {
  showRow("user", await must(api.POST("/api/v1/users/{id}/unban", { params: { ...path(user), header: once() } as never, body: {} as never })));
}

export async function remove(user: Target): Promise<void> {
  await must(api.DELETE("/api/v1/users/{id}", { params: { ...path(user), header: { "If-Match": `"${user.version}"` } } as never }));
}

export async function resetPassword(user: Target): Promise<string> {
  const told = await must(api.POST("/api/v1/users/{id}/reset_password", { params: { ...path(user), header: once() } as never, body: {} as never }));
  return told.one_time_password;
}

export interface Outcome {
  user: User;
  error: string | null;
}

/** How many of a choice are worked on at once. */
const TOGETHER = 4;

/** Does `act` to each and tells what became of each; one failure stops no other. */
export async function each(users: User[], act: (user: User) => Promise<void>, told: (done: Outcome[]) => void): Promise<Outcome[]> {
  const waiting = [...users];
  const done: Outcome[] = [];
  const work = async () => {
    for (let user = waiting.shift(); user; user = waiting.shift()) {
      const error = await act(user).then(
        () => null,
        (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
      );
      done.push({ user, error });
      told([...done]);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  return done;
}
