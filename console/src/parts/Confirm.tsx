/** Asks before a dangerous act and shows what it will do. The act runs here, so that its error stays with the question. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { type ReactNode, useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { t } from "../i18n";
import { Field } from "./Field";
import css from "./parts.module.css";
import { ErrorLine } from "./states";

interface Props {
  open: boolean;
  title: string;
  /** The number the act touches, as a sentence. */
  impact?: string;
  text?: ReactNode;
  action: string;
  /** Asks for a reason with this label. */
  reason?: string;
  /** Beside the reason: who will read it. */
  reasonNote?: string;
  /** Bytes that a reason may have. */
  longest?: number;
  danger?: boolean;
  /** Whether there is anything to do yet. */
  ready?: boolean;
  run: (reason: string) => Promise<unknown>;
  onClose: () => void;
}

export function ConfirmWithImpact({ open, title, impact, text, action, reason, reasonNote, longest = Number.POSITIVE_INFINITY, danger = true, ready = true, run, onClose }: Props) {
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const long = new TextEncoder().encode(why.trim()).length > longest;
  const close = () => {
    setProblem(null);
    setWhy("");
    onClose();
  };
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await run(why.trim());
      close();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open={open} onClose={busy ? undefined : close} maxWidth="xs" fullWidth aria-labelledby="confirm-title">
      <form onSubmit={submit}>
        <DialogTitle id="confirm-title">{title}</DialogTitle>
        <DialogContent>
          <div className={css.stack}>
            {typeof text === "string" ? <p className={css.muted}>{text}</p> : text}
            {impact && <p className={css.impact}>{impact}</p>}
            {reason && <Field label={reason} value={why} onValue={setWhy} required autoFocus multiline minRows={2} note={reasonNote ?? t("confirm.reasonNote")} error={long ? t("confirm.tooLong") : undefined} />}
            <ErrorLine problem={problem} />
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={close} disabled={busy}>
            {t("cancel")}
          </Button>
          <Button type="submit" variant={danger ? "outlined" : "contained"} color={danger ? "error" : "primary"} loading={busy} disabled={!ready || (Boolean(reason) && (why.trim() === "" || long))}>
            {action}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
