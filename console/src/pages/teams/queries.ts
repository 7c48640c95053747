import { api, must, once } from "../../api/client";
import type { Team, User } from "../../api/types";
import { showRow } from "../../live/store";

type Target = Pick<Team, "id" | "version">;
const on = (version: number) => ({ "If-Match": `"${version}"` });

export interface TeamFields {
  name?: string;
  description?: string;
}

export async function createTeam(key: ReturnType<typeof once>, body: TeamFields): Promise<string> {
  return (await must(api.POST("/api/v1/teams", { params: { header: key } as never, body: body as never }))).id;
}

export async function saveTeam({ id, version }: Target, body: TeamFields): Promise<void> {
  showRow("team", await must(api.PATCH("/api/v1/teams/{id}", { params: { path: { id }, header: on(version) } as never, body: body as never })));
}

export async function deleteTeam({ id, version }: Target): Promise<void> {
  await must(api.DELETE("/api/v1/teams/{id}", { params: { path: { id }, header: on(version) } as never }));
}

export async function giveRole(team: string, role: string): Promise<void> {
  showRow("team", await must(api.PUT("/api/v1/teams/{id}/roles/{role}", { params: { path: { id: team, role } } })));
}

export async function takeRole(team: string, role: string): Promise<void> {
  await must(api.DELETE("/api/v1/teams/{id}/roles/{role}", { params: { path: { id: team, role } } }));
}

export async function putMember(team: string, user: string, role: "lead" | "member"): Promise<void> {
  showRow("user", (await must(api.PUT("/api/v1/teams/{id}/members/{user}", { params: { path: { id: team, user } }, body: { role } }))) as User);
}

export async function takeMember(team: string, user: string): Promise<void> {
  await must(api.DELETE("/api/v1/teams/{id}/members/{user}", { params: { path: { id: team, user } } }));
}
