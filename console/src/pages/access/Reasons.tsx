/** An answer with its proof: what decided, and every statement that reaches the person with its way. */
import type { Access, Explanation } from "../../api/types";
import { t } from "../../i18n";
import { Pill, Time } from "../../parts/basics";
import css from "./access.module.css";
import { answerWords, lineWords } from "./words";

type Given = Access["given"][number];

export function Reasons({ explanation, given = [] }: { explanation: Explanation; given?: readonly Given[] }) {
  const { lines, allowed } = explanation;
  return (
    <div className={css.reasons} data-testid="reasons">
      <p>
        <Pill tone={allowed ? "ok" : "bad"}>{t(allowed ? "why.yes" : "why.no")}</Pill> {answerWords(explanation)}
      </p>
      {lines.length > 0 && (
        <ul>
          {lines.map((line, index) => (
            <li key={index} className={line.decides ? css.decides : css.beaten}>
              {lineWords(line)}
              <small>
                {line.decides ? t("line.decides") : t("line.beaten")}
                <By one={giftOf(line, explanation.permission, given)} />
              </small>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Who gave that by which the line reaches the person: the role they hold, or what is said of them. */
function giftOf(line: Explanation["lines"][number], permission: string, given: readonly Given[]): Given | undefined {
  const held = line.via[0];
  if (held) return given.find((one) => one.role === held.id && one.team?.id === line.team?.id);
  return given.find((one) => one.permission === permission && one.resource?.id === line.resource?.id);
}

export function By({ one }: { one: Given | undefined }) {
  if (!one) return null;
  return (
    <>
      {" · "}
      {t("access.givenBy", { name: one.by ? (one.by.name ?? t("actor.someone")) : t("actor.system") })} <Time at={one.at} />
    </>
  );
}
