/** Names for what the generated client returns. Nothing here is written by hand but the names. */
import type { paths } from "./schema.gen";

type Ok<P extends keyof paths, M extends keyof paths[P], S extends number = 200> = paths[P][M] extends {
  responses: Record<S, { content: { "application/json": infer B } }>;
}
  ? B
  : never;

type Body<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

export type Me = Ok<"/api/v1/me", "get">;
export type UserPage = Ok<"/api/v1/users", "get">;
/** `gone` is the console's own mark: deleted while it was on the screen. */
export type User = Ok<"/api/v1/users/{id}", "get"> & { gone?: boolean };
export type Role = Ok<"/api/v1/roles", "get">["items"][number] & { gone?: boolean };
export type RoleSet = Ok<"/api/v1/roles", "get">;
export type Permission = Ok<"/api/v1/permissions", "get">["items"][number];
export type Statement = Role["statements"][number];
export type Preview = Ok<"/api/v1/roles/what_if", "post">;
export type Access = Ok<"/api/v1/users/{id}/permissions", "get">;
export type Held = Access["held"][number];
export type Explanation = Ok<"/api/v1/users/{id}/explain", "get">;
export type Refusal = Ok<"/api/v1/explanations/{id}", "get">;
export type Holder = Ok<"/api/v1/permissions/holders", "get">["items"][number];
export type Team = Ok<"/api/v1/teams", "get">["items"][number] & { gone?: boolean };
export type TeamSet = Ok<"/api/v1/teams", "get">;
export type Session = Ok<"/api/v1/users/{id}/sessions", "get">["items"][number];
export type SessionListPage = Ok<"/api/v1/sessions", "get">;
export type SessionTimes = Settings["sessions"];
export type EndedSessions = Ok<"/api/v1/sessions/revoke", "post">;
export type Activity = Ok<"/api/v1/users/{id}/activity", "get">["items"][number];
export type AuditPage = Ok<"/api/v1/audit", "get">;
export type Audit = AuditPage["items"][number];
export type JobPage = Ok<"/api/v1/jobs", "get">;
export type Job = JobPage["items"][number];
export type JobDetail = Ok<"/api/v1/jobs/{id}", "get">;
export type Import = Ok<"/api/v1/imports/{id}", "get">;
export type ImportPreview = Ok<"/api/v1/imports/{id}/preview", "get">;
export type Choices = Ok<"/api/v1/auth/providers", "get">;
export type LinkedAccounts = Ok<"/api/v1/me/linked_accounts", "get">;
export type ProviderList = Ok<"/api/v1/providers", "get">;
export type Provider = ProviderList["items"][number];
export type NewProvider = Body<"/api/v1/providers", "post">;
export type ProviderChange = Body<"/api/v1/providers/{id}", "patch">;
export type Tested = Ok<"/api/v1/providers/{id}/test", "post">;
export type Overview = Ok<"/api/v1/overview", "get">;
export type Actors = Ok<"/api/v1/system/actors", "get">;
export type Actor = Actors["items"][number];
export type Connection = Ok<"/api/v1/live/connections", "get">["items"][number];
export type ConnectionDetail = Ok<"/api/v1/live/connections/{client}", "get">;
export type LiveNodes = Ok<"/api/v1/live/nodes", "get">;
export type LiveNode = LiveNodes["items"][number];
export type Channel = Ok<"/api/v1/live/channels", "get">["items"][number];
export type ChannelDetail = Ok<"/api/v1/live/channels/{channel}", "get">;
export type ChannelHistory = Ok<"/api/v1/live/channels/{channel}/history", "get">;
export type SystemInfo = Ok<"/api/v1/system/info", "get">;
export type Factors = Ok<"/api/v1/me/factors", "get">;
export type Factor = Factors["items"][number];
export type Enrollment = Ok<"/api/v1/me/factors", "post">;
export type Enrolled = Ok<"/api/v1/me/factors/confirm", "post", 201>;
export type Provable = Ok<"/api/v1/me/prove", "get">;
export type Ceremony = Ok<"/api/v1/auth/passkey/options", "post">;
export type ApiKey = Ok<"/api/v1/api_keys", "get">["items"][number] & { gone?: boolean };
export type KeyPolicy = Ok<"/api/v1/api_key_policy", "get">;
export type IpRules = Ok<"/api/v1/ip_rules", "get">;
export type Settings = Ok<"/api/v1/settings", "get">;
export type Organization = Ok<"/api/v1/organization", "get">;
export type Invitation = Ok<"/api/v1/invitations", "get">["items"][number];
export type Profile = Ok<"/api/v1/me/profile", "get">;
export type Wallet = NonNullable<Profile["wallets"]>[number];
export type NewWallet = Body<"/api/v1/users/{id}/wallets", "post">;
export type SigningKey = Ok<"/api/v1/signing-keys", "get">["items"][number];
export type Privacy = Ok<"/api/v1/me/privacy", "get">;
export type IpRule = IpRules["items"][number];
