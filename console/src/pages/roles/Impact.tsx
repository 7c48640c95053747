/** What a change would do, as the hub works it out: who gains what and who loses what. */
import type { Preview } from "../../api/types";
import { number, t } from "../../i18n";
import { Pill } from "../../parts/basics";
import css from "./roles.module.css";
import { reachWords } from "./words";

export function Impact({ preview }: { preview: Preview }) {
  const { items, gained, lost, people, complete } = preview;
  return (
    <div className={css.impact} data-testid="impact">
      <p>
        <b>{people === 0 ? t("impact.nobody") : gained + lost === 0 && items.length === 0 ? t("impact.none") : t("impact.sum", { people, gained, lost })}</b>
      </p>
      {items.length > 0 && (
        <ul className={css.pairs} tabIndex={0} aria-label={t("impact.pairs")}>
          {items.map((pair) => (
            <li key={`${pair.user} ${pair.permission}`}>
              <span>
                {pair.name} <code>{pair.permission}</code>
                <small>
                  {pair.before ? reachWords(pair.before) : t("reach.none")} → {pair.after ? reachWords(pair.after) : t("reach.none")}
                </small>
              </span>
              {pair.gained && <Pill tone="ok">{t("impact.gains")}</Pill>}
              {pair.lost && <Pill tone="bad">{t("impact.loses")}</Pill>}
            </li>
          ))}
        </ul>
      )}
      {!complete && <p className={css.note}>{t("impact.incomplete", { people: number(people), n: number(items.length) })}</p>}
    </div>
  );
}
