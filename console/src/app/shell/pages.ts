/** The pages of this version and the permission each needs. What one may not see is absent. */
import type { Overview } from "../../api/types";
import type { TextId } from "../../i18n";
import type { IconName } from "../../parts/Icon";

export interface Page {
  to: "/" | "/events" | "/connections" | "/channels" | "/users" | "/roles" | "/teams" | "/sessions" | "/imports" | "/jobs" | "/audit" | "/keys" | "/addresses" | "/providers" | "/signing-keys" | "/system" | "/invitations" | "/settings";
  name: TextId;
  icon: IconName;
  /** Null for everybody. */
  permission: string | null;
  /** The letter after `g`. */
  letter: string;
  /** The live number beside the page's name, from the overview's counters; absent where it is 0. */
  count?: (counters: Overview["counters"]) => number;
}

export const GROUPS: { name: TextId; pages: Page[] }[] = [
  {
    name: "nav.operate",
    pages: [
      { to: "/", name: "nav.overview", icon: "overview", permission: "overview:read", letter: "o" },
      // Of which channels is the hub's matter.
      { to: "/events", name: "nav.events", icon: "events", permission: null, letter: "e" },
      { to: "/connections", name: "nav.connections", icon: "connections", permission: "live:read", letter: "c" },
      { to: "/channels", name: "nav.channels", icon: "channels", permission: "live:read", letter: "h" },
    ],
  },
  {
    name: "nav.people",
    pages: [
      { to: "/users", name: "nav.users", icon: "users", permission: "users:read", letter: "u", count: (counters) => counters.users_total },
      { to: "/invitations", name: "nav.invitations", icon: "mail", permission: "invitations:read", letter: "v" },
      { to: "/roles", name: "nav.roles", icon: "shield", permission: "roles:read", letter: "r" },
      { to: "/teams", name: "nav.teams", icon: "teams", permission: "teams:read", letter: "t" },
      { to: "/sessions", name: "nav.sessions", icon: "out", permission: "sessions:read", letter: "w" },
    ],
  },
  {
    name: "nav.delivery",
    pages: [
      { to: "/jobs", name: "nav.jobs", icon: "jobs", permission: "jobs:read", letter: "j", count: (counters) => counters.jobs_running + counters.jobs_waiting },
      { to: "/imports", name: "nav.imports", icon: "imports", permission: "imports:read", letter: "i", count: (counters) => counters.imports_running },
    ],
  },
  {
    name: "nav.govern",
    pages: [
      { to: "/audit", name: "nav.audit", icon: "audit", permission: "audit:read", letter: "a" },
      { to: "/keys", name: "nav.apiKeys", icon: "key", permission: "api_keys:read", letter: "k" },
      { to: "/addresses", name: "nav.addresses", icon: "network", permission: "ip_rules:read", letter: "n" },
      { to: "/providers", name: "nav.providers", icon: "lock", permission: "providers:read", letter: "p" },
      { to: "/signing-keys", name: "nav.signing", icon: "seal", permission: "signing_keys:read", letter: "y" },
      { to: "/system", name: "nav.system", icon: "system", permission: "system:read", letter: "s" },
      { to: "/settings", name: "nav.settings", icon: "settings", permission: "settings:read", letter: "," },
    ],
  },
];

export function visibleGroups(permissions: readonly string[]): typeof GROUPS {
  return GROUPS.map((group) => ({ ...group, pages: group.pages.filter((page) => page.permission === null || permissions.includes(page.permission)) })).filter((group) => group.pages.length > 0);
}

/** Where somebody begins who may not see the overview. */
export const firstPage = (permissions: readonly string[]): Page | undefined => visibleGroups(permissions).flatMap((group) => group.pages).find((page) => page.permission !== null);
