/** Who holds a role, kept true by the events about people. Pure. */
import type { InfiniteData } from "@tanstack/react-query";
import type { LiveEvent } from "./event";

export interface Member {
  user: string;
  name: string;
  granted_by?: string | null;
  granted_at: string;
  /** Whether they hold it themselves; false: through teams alone. */
  direct?: boolean;
  /** The teams through which they hold it. */
  teams?: { id: string; name?: string | null }[];
  /** Set here: they held it when the list was read, and do not any more. */
  gone?: boolean;
}

export interface MemberPage {
  items: Member[];
  next_cursor?: string | null;
}

export type MemberPages = InfiniteData<MemberPage, string | null>;

interface Person {
  name?: string;
  roles?: { id: string }[];
  teams?: { id: string }[];
}

/** What was read of roles and hangs on what teams carry, which stands in no event about a person: where that has changed. */
export const hungOnTeams = (events: readonly LiveEvent[]): string[][] =>
  events.some((event) => /^(team\.(roles_changed|deleted)|user\.teams_changed)$/.test(event.type)) ? [["roles", "all"], ["roles", "members"], ["users", "access"], ["users", "explain"]] : [];

/** The pages after one event about a person: who came stands first, who went stays where they were and says so. */
export function withMember(data: MemberPages, role: string, { type, subject, patch, actor, at }: LiveEvent): MemberPages {
  const [first, ...rest] = data.pages;
  if (subject?.kind !== "user" || !first) return data;
  const person = patch as Person | null | undefined;
  const away = type.endsWith(".deleted") || type.endsWith(".removed");
  if (!away && !person?.roles) return data;
  const own = !away && person?.roles?.some((one) => one.id === role) === true;
  const known = data.pages.some((page) => page.items.some((member) => member.user === subject.id));
  if (!known) {
    if (!own || type !== "user.roles_changed") return data;
    const came: Member = { user: subject.id, name: person?.name ?? "", granted_by: actor?.id ?? null, granted_at: at, direct: true };
    return { ...data, pages: [{ ...first, items: [came, ...first.items] }, ...rest] };
  }
  let changed = false;
  const told = (member: Member): Member => {
    if (member.user !== subject.id) return member;
    // what a team carries stays with whoever is still in it
    const through = member.teams?.filter((team) => !away && person?.teams?.some((one) => one.id === team.id)) ?? [];
    const holds = own || through.length > 0;
    const direct = holds ? own : member.direct;
    const same = Boolean(member.gone) === !holds && (person?.name ?? member.name) === member.name && (member.direct ?? true) === (direct ?? true);
    if (same) return member;
    changed = true;
    return { ...member, name: person?.name ?? member.name, direct, gone: !holds };
  };
  const pages = data.pages.map((page) => ({ ...page, items: page.items.map(told) }));
  return changed ? { ...data, pages } : data;
}
