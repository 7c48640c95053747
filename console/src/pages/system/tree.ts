import type { Actor } from "../../api/types";

/** Parents before their children, each with its depth. One whose parent is not here stands at the root. */
export function tree(actors: Actor[]): { actor: Actor; depth: number }[] {
  const names = new Set(actors.map((actor) => actor.name));
  const children = Map.groupBy(actors, (actor) => (actor.parent && names.has(actor.parent) && actor.parent !== actor.name ? actor.parent : ""));
  const rows: { actor: Actor; depth: number }[] = [];
  const add = (parent: string, depth: number) => {
    for (const actor of children.get(parent) ?? []) {
      if (rows.some((row) => row.actor === actor)) continue;
      rows.push({ actor, depth });
      add(actor.name, depth + 1);
    }
  };
  add("", 0);
  return rows;
}
