/** Codes that are shown once: they go with a click on the button alone. */
import Button from "@mui/material/Button";
import { t } from "../../i18n";
import "../../i18n/factors";
import { copy } from "../../parts/copy";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import css from "./factors.module.css";

export function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <div className={css.form}>
      <p className={parts.muted}>{t("factors.codes.text")}</p>
      <ol className={css.codes} data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className={css.others}>
        <Button variant="outlined" startIcon={<Icon name="copy" small />} onClick={() => void copy(codes.join("\n"), t("factors.codes.copied"))}>{t("factors.codes.copy")}</Button>
        <Button variant="contained" onClick={onDone}>{t("factors.codes.done")}</Button>
      </div>
    </div>
  );
}
