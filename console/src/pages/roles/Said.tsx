/** What a role says differently: lines of a list. */
import type { Difference } from "./edits";
import type { Says } from "./model";
import css from "./roles.module.css";
import { saysWords } from "./words";

/** Less than before reads as gone, more as come: a denial is less, and one that is lifted is more. */
function toneOf(before: Says | null, after: Says | null): string | undefined {
  if (after === "deny" || (after === null && before !== "deny")) return css.went;
  return before === null || before === "deny" ? css.came : undefined;
}

export const Said = ({ differences }: { differences: Difference[] }) =>
  differences.map(({ permission, before, after }) => (
    <li key={permission} className={toneOf(before, after)}>
      <code>{permission}</code> {saysWords(before)} → {saysWords(after)}
    </li>
  ));
