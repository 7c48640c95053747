/** Which channels the live events are offered of. */
import type { Me } from "../../api/types";
import { opening } from "../../auth/session";
import { tOr } from "../../i18n";

export interface Feed {
  channel: string;
  /** Followed when the page is opened without a choice. */
  first: boolean;
}

/** The hub's own channels and the permission each needs. State that comes several times a second is not among the first. */
const FEEDS: { channel: string; permission: string; first: boolean }[] = [
  { channel: "feed:users", permission: "users:read", first: true },
  { channel: "feed:roles", permission: "roles:read", first: false },
  { channel: "feed:teams", permission: "teams:read", first: false },
  { channel: "feed:jobs", permission: "jobs:read", first: true },
  { channel: "feed:imports", permission: "imports:read", first: true },
  { channel: "feed:audit", permission: "audit:read", first: true },
  { channel: "feed:api_keys", permission: "api_keys:read", first: true },
  { channel: "feed:ip_rules", permission: "ip_rules:read", first: true },
  { channel: "feed:invitations", permission: "invitations:read", first: true },
  { channel: "feed:settings", permission: "settings:read", first: true },
  { channel: "feed:providers", permission: "providers:read", first: true },
  { channel: "feed:overview", permission: "overview:read", first: false },
  { channel: "feed:system", permission: "system:read", first: false },
  { channel: "feed:live", permission: "live:read", first: false },
];

export function feedsOf(me: Pick<Me, "user" | "permissions" | "limited">): Feed[] {
  const may = opening(me);
  const feeds = FEEDS.filter(({ permission }) => may.includes(permission)).map(({ channel, first }) => ({ channel, first }));
  return [...feeds, { channel: `inbox:${me.user.id}`, first: true }];
}

/** What stands in the address where every channel was switched off: an empty one means those that are offered first. */
export const NONE = "-";

export const split = (list: string): string[] => [...new Set(list.split(",").map((name) => name.trim()).filter((name) => name !== "" && name !== NONE))];

/** A feed by its short name; the inbox is one's own. */
export function named(channel: string): string {
  const [kind, rest] = [channel.slice(0, channel.indexOf(":")), channel.slice(channel.indexOf(":") + 1)];
  if (kind === "inbox") return tOr("events.inbox", channel);
  return kind === "feed" ? rest : channel;
}
