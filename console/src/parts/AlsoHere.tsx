/** Who else looks at this item now, as faces. Nobody, or a hub that does not tell: nothing. */
import { useEffect, useState } from "react";
import { useMe } from "../auth/session";
import { t } from "../i18n";
import type { Present } from "../live/exchange/wire";
import { watchPresent } from "../live/store";
import { Face, Hint } from "./basics";
import css from "./parts.module.css";
import { usePhone } from "./usePhone";

/** Faces shown, wide and narrow; the others are a number. */
const SHOWN = 3;
const SHOWN_NARROW = 1;

/** Connections of one person are one person, in the order of their ids; oneself is not told. */
export function othersOf(people: Present[], me: string): { id: string; name: string }[] {
  const others = new Map<string, string>();
  for (const { user, name } of people) if (user !== me && user !== "") others.set(user, name ?? others.get(user) ?? t("actor.someone"));
  return [...others].map(([id, name]) => ({ id, name })).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `path`: the address of the item's own page, wherever it is shown. */
export function AlsoHere({ path }: { path: string }) {
  const me = useMe().user.id;
  const [people, setPeople] = useState<Present[]>([]);
  useEffect(() => {
    setPeople([]);
    return watchPresent(`page:${path}`, setPeople);
  }, [path]);
  const others = othersOf(people, me);
  const shown = usePhone() ? SHOWN_NARROW : SHOWN;
  if (others.length === 0) return null;
  const names = t("here.names", { names: others.map((other) => other.name).join(", ") });
  return (
    <Hint text={names}>
      <span className={css.here} role="img" aria-label={names} data-testid="here">
        {others.slice(0, shown).map((other) => (
          <Face key={other.id} name={other.name} id={other.id} />
        ))}
        {others.length > shown && <small>+{others.length - shown}</small>}
      </span>
    </Hint>
  );
}
