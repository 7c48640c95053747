/** Asks why before connections are ended, and whether their clients may come back by themselves. */
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useState } from "react";
import { t } from "../../i18n";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";

interface Props {
  open: boolean;
  title: string;
  impact: string;
  run: (reason: string, reconnect: boolean) => Promise<unknown>;
  onClose: () => void;
}

export function AskDisconnect({ open, title, impact, run, onClose }: Props) {
  const [reconnect, setReconnect] = useState(false);
  return (
    <ConfirmWithImpact
      open={open}
      onClose={onClose}
      title={title}
      impact={impact}
      text={
        <div>
          <p className={parts.muted}>{t("disconnect.text")}</p>
          <FormControlLabel control={<Checkbox checked={reconnect} onChange={(event) => setReconnect(event.target.checked)} />} label={t("disconnect.reconnect")} />
        </div>
      }
      reason={t("field.reason")}
      reasonNote={t("disconnect.reasonNote")}
      longest={LONGEST_REASON}
      action={t("act.disconnect")}
      run={(reason) => run(reason, reconnect)}
    />
  );
}

/** Bytes of a close frame's text. */
const LONGEST_REASON = 123;
