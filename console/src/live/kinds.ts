/** Which cached lists an event of a kind concerns, and which rows a list's filters admit. */
import type { Team } from "../api/types";
import { queries } from "../app/queries";
import type { Row, WholeSet } from "./apply";

export type Filters = Record<string, string | undefined>;

interface Kind {
  /** The first part of the query key. */
  key: string;
  channel: string;
  matches: (row: Row & Record<string, unknown>, filters: Filters) => boolean;
}

const has = (value: unknown, wanted: string | undefined) => !wanted || value === wanted;
const refers = (value: unknown, wanted: string | undefined) => {
  if (!wanted) return true;
  const { id, name, label } = (value ?? {}) as Record<string, unknown>;
  return [id, name, label].includes(wanted);
};

const isIn = (teams: unknown, team: string | undefined) => !team || (Array.isArray(teams) && teams.some((one) => one.id === team));

/** Whether one of these teams carries the role, as far as teams are known here; of teams that are not, it may be so. */
function carries(teams: unknown, role: string): boolean {
  if (!Array.isArray(teams) || teams.length === 0) return false;
  const known = queries.getQueryData<WholeSet<Team>>(["teams", "all"])?.items;
  return !known || known.some((team) => teams.some((one) => one.id === team.id) && team.roles.some((one) => one.id === role));
}

function hasText(row: Record<string, unknown>, q: string | undefined): boolean {
  const wanted = q?.trim().toLowerCase();
  if (!wanted) return true;
  const words = [row.name, row.email, row.department].filter((value) => typeof value === "string");
  return words.some((value) => value.toLowerCase().includes(wanted));
}

export const KINDS: Record<string, Kind> = {
  user: {
    key: "users",
    channel: "feed:users",
    matches: (row, f) =>
      has(row.status, f.status) &&
      has(row.department, f.department) &&
      hasText(row, f.q) &&
      isIn(row.teams, f.team) &&
      (!f.role || (Array.isArray(row.roles) && row.roles.some((role) => refers(role, f.role))) || carries(row.teams, f.role)),
  },
  job: {
    key: "jobs",
    channel: "feed:jobs",
    matches: (row, f) => has(row.state, f.state) && has(row.queue, f.queue),
  },
  audit_entry: {
    key: "audit",
    channel: "feed:audit",
    matches: (row, f) => has(row.action, f.action) && refers(row.actor, f.actor) && refers(row.subject, f.subject) && refers(row.credential, f.api_key),
  },
  import: { key: "imports", channel: "feed:imports", matches: () => true },
  role: { key: "roles", channel: "feed:roles", matches: () => true },
  team: { key: "teams", channel: "feed:teams", matches: () => true },
  session: { key: "sessions", channel: "feed:sessions", matches: () => true },
  api_key: { key: "api_keys", channel: "feed:api_keys", matches: () => true },
};

/** A filter that narrows; the order of a list does not. */
export const isWhole = (filters: Filters): boolean => Object.entries(filters).every(([key, value]) => key === "sort" || !value);
