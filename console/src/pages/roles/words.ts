/** Permissions, statements and reasons as sentences. */
import type { Held, Role } from "../../api/types";
import { roleName, t, tOr, type TextId } from "../../i18n";
import type { Lock, Says } from "./model";

const SAYS: Record<Says | "none", TextId> = {
  everywhere: "says.everywhere",
  own: "says.own",
  team: "says.team",
  own_or_team: "says.own_or_team",
  deny: "says.deny",
  none: "says.none",
};

export const saysWords = (says: Says | null): string => t(SAYS[says ?? "none"]);

/** A feature as a person reads it. */
export function categoryName(category: string): string {
  const words = category.replaceAll("_", " ");
  return tOr(`category.${category}`, words.charAt(0).toUpperCase() + words.slice(1));
}

export const namesOf = (ids: readonly string[], roles: readonly Pick<Role, "id" | "name">[]): string =>
  ids.map((id) => roleName(roles.find((role) => role.id === id) ?? { name: id })).join(", ");

/** Why nothing can be changed about a role. */
export function lockWords(lock: Lock): string | null {
  if (!lock) return null;
  if (lock.why === "manage") return t("lock.manage");
  if (lock.why === "predefined") return t("lock.predefined");
  return t("lock.above", { permissions: some(lock.permissions) });
}

/** A few names, and how many more there are. */
export function some(names: readonly string[], shown = 3): string {
  const first = names.slice(0, shown).join(", ");
  return names.length > shown ? t("some.more", { first, n: names.length - shown }) : first;
}

/** How far somebody holds a permission. */
export function reachWords({ everywhere, own, team, single, denied }: Held): string {
  const parts: string[] = [];
  if (everywhere) parts.push(t("reach.everywhere"));
  else if (own && team) parts.push(t("reach.own_or_team"));
  else if (own) parts.push(t("reach.own"));
  else if (team) parts.push(t("reach.team"));
  if (single.length > 0) parts.push(t("reach.single", { n: single.length }));
  if (denied.length > 0) parts.push(t("reach.but", { n: denied.length }));
  return parts.join(", ");
}
