import { t } from "../../i18n";
import { Mark } from "./Mark";
import css from "./roles.module.css";

/** What the marks mean. */
export function Legend() {
  return (
    <ul className={css.legend} aria-label={t("matrix.legend")}>
      <li><Mark state="granted" on="everywhere" />{t("state.cell.granted")}</li>
      <li><Mark state="granted" on="own" />{t("state.cell.part")}</li>
      <li><Mark state="inherited" on="everywhere" />{t("state.cell.inherited")}</li>
      <li><Mark state="denied" on={null} />{t("state.cell.denied")}</li>
    </ul>
  );
}
