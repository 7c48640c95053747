/** The proof of an answer, in words. */
import type { Explanation } from "../../api/types";
import { roleName, t, type TextId } from "../../i18n";

type Line = Explanation["lines"][number];

/** "Yes: their roles give it." */
export function answerWords({ allowed, decision }: Pick<Explanation, "allowed" | "decision">): string {
  const words: Record<Explanation["decision"], [yes: TextId, no: TextId]> = {
    denial: ["why.denial", "why.denial"],
    single_grant: ["why.single", "why.single.no"],
    direct_grant: ["why.direct", "why.direct.no"],
    roles: ["why.roles", "why.roles.no"],
    nothing: ["why.nothing", "why.nothing"],
    not_active: ["why.notActive", "why.notActive"],
  };
  return t(words[decision][allowed ? 0 : 1]);
}

/** What a line says, whoever says it: "grants it on their own". */
function saidWords({ effect, on, resource }: Pick<Line, "effect" | "on" | "resource">): string {
  if (resource) return t(effect === "deny" ? "line.denyRow" : "line.grantRow");
  if (effect === "deny") return t("line.deny");
  return t(on === "own" ? "line.own" : on === "team" ? "line.team" : on === "own_or_team" ? "line.own_or_team" : "line.everywhere");
}

/** A team that the viewer may not see has no name here. */
export const teamName = ({ id, name }: { id: string; name?: string | null }): string => name ?? `${id.slice(0, 8)}…`;

/** "They hold Night, which inherits from Support, which grants it on everything." */
export function lineWords(line: Line): string {
  const [held, ...parents] = line.via;
  const said = saidWords(line);
  if (!held) return t("line.direct", { said });
  const words = { role: roleName(held), parents: parents.map((parent) => t("line.parent", { role: roleName(parent) })).join(""), said };
  return line.team ? t("line.viaTeam", { ...words, team: teamName(line.team) }) : t("line.via", words);
}
