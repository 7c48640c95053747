/** A secret that is shown once. It goes with a click on the button alone: nobody loses it by a click beside it. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { t } from "../../i18n";
import { copy } from "../../parts/copy";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";

export function Secret({ secret, name, onDone }: { secret: string; name: string; onDone: () => void }) {
  return (
    <Dialog open maxWidth="sm" fullWidth aria-labelledby="key-secret-title">
      <DialogTitle id="key-secret-title">{t("keys.secret.title", { name })}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <p className={parts.muted}>{t("keys.secret.text")}</p>
          <p className={parts.secret} data-testid="secret">{secret}</p>
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="outlined" startIcon={<Icon name="copy" small />} onClick={() => void copy(secret, t("keys.secret.copied"))}>{t("keys.secret.copy")}</Button>
        <Button variant="contained" onClick={onDone}>{t("keys.secret.done")}</Button>
      </DialogActions>
    </Dialog>
  );
}
