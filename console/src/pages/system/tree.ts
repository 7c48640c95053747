import type { Actor } from "../../api/types";

/** Parents before their children, each with its depth. One whose parent is not here stands at the root; none is left out. */
export function tree(actors: Actor[]): { actor: Actor; depth: number }[] {
  const names = new Set(actors.map((actor) => actor.name));
  const placed = new Set<Actor>();
  const rows: { actor: Actor; depth: number }[] = [];
  const place = (actor: Actor, depth: number) => {
    if (placed.has(actor)) return;
    placed.add(actor);
    rows.push({ actor, depth });
    for (const child of actors) if (child.parent === actor.name) place(child, depth + 1);
  };
  for (const actor of actors) if (!actor.parent || !names.has(actor.parent)) place(actor, 0);
  for (const actor of actors) place(actor, 0);
  return rows;
}
