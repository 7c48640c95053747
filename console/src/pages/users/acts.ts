/** What an operator does to a person. None of it is optimistic: the row changes when the hub says so. */
import { api, must, once } from "../../api/client";
import type { User } from "../../api/types";
import { showRow } from "../../live/store";

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

export async function resetFactors(user: Target): Promise<void> {
  await must(api.DELETE("/api/v1/users/{id}/factors", { params: path(user) }));
}

export async function resetPassword(user: Target): Promise<string> {
  const told = await must(api.POST("/api/v1/users/{id}/reset_password", { params: { ...path(user), header: once() } as never, body: {} as never }));
  return told.one_time_password;
}
