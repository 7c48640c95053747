/** The state of a permission in a role, as a mark: its form tells it, not its colour alone. Read aloud by what stands beside it. */
import { memo } from "react";
import type { On, State } from "./model";
import css from "./roles.module.css";

const SIGNS: Record<State, string> = { granted: "M5 12.500l4.500 4.500L19 7.500", inherited: "M5 12.500l4.500 4.500L19 7.500", denied: "M6 6l12 12M18 6 6 18", barred: "M6 6l12 12M18 6 6 18", none: "M9 12h6" };

export const Mark = memo(function Mark({ state, on }: { state: State; on: On | null }) {
  const part = on !== null && on !== "everywhere";
  return (
    <span className={`${css.mark} ${css[state]} ${part ? css.part : ""}`} aria-hidden="true">
      <svg viewBox="0 0 24 24" focusable="false">
        <path d={SIGNS[state]} />
      </svg>
    </span>
  );
});
