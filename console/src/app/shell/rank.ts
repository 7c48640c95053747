/** How well a command of the palette fits what was typed. Pure. */

/** Marks what the hub has found: it fits already. */
export const FOUND = "\u0000found";
export const RANK_FOUND = 0.7;

/**
 * From 0, not at all, to 1. Every word must stand in the label or in the group's name; a label that begins so fits best, and
 * people stand between what begins like it and what only has it somewhere. Letters strewn about are no match.
 */
export function rank(_id: string, typed: string, keywords: string[] = []): number {
  if (keywords[0] === FOUND) return RANK_FOUND;
  const [label = "", ...others] = keywords.map((text) => text.toLowerCase());
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [label, ...others].join(" ");
  if (!words.every((word) => all.includes(word))) return 0;
  if (label.startsWith(words.join(" "))) return 1;
  return words.some((word) => label.split(/\s+/).some((one) => one.startsWith(word))) ? 0.9 : 0.5;
}
