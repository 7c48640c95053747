/** Changes what a key is called and may do. Where somebody was faster, what I changed goes on top of what is there now. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { ApiKey } from "../../api/types";
import { t } from "../../i18n";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { dayOf } from "../../parts/times";
import { changeOf, limitsIn, limitsText } from "./change";
import { addressesIn, endIn, KEEP, type KeyDraft, KeyFields, useLives } from "./KeyFields";
import { saveKey } from "./queries";

const draftOf = (row: ApiKey): KeyDraft => ({ name: row.name, scopes: row.scopes, addresses: row.addresses.join("\n"), pace: row.requests_per_minute ? String(row.requests_per_minute) : "", limits: limitsText(row.resource_limits), life: KEEP });

export default function EditKey({ row, onClose, onChanged }: { row: ApiKey; onClose: () => void; onChanged: () => void }) {
  const [base, setBase] = useState(row);
  const [draft, setDraft] = useState(() => draftOf(row));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const lives = useLives(base.expires_at ? t("keys.life.keep", { day: dayOf(base.expires_at) }) : t("keys.life.keepNone"));
  const end = draft.life === KEEP ? undefined : draft.life === "" ? null : endIn(draft.life);
  const change = changeOf(base, { ...draft, addresses: addressesIn(draft.addresses), limits: limitsIn(draft.limits), end });
  const less = base.scopes.some((scope) => !draft.scopes.includes(scope));

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await saveKey(base, change);
      toast(t("keys.saved", { name: draft.name }));
      onChanged();
      onClose();
    } catch (error) {
      const answer = asProblem(error);
      if (answer.status === 412 && answer.current) setBase(answer.current as ApiKey);
      setProblem(answer);
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="sm" fullWidth aria-labelledby="edit-key-title">
      <form onSubmit={submit}>
        <DialogTitle id="edit-key-title">{t("keys.edit.title", { name: row.name })}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <KeyFields draft={draft} set={(next) => setDraft((before) => ({ ...before, ...next }))} problem={problem} has={base.scopes} lives={lives} />
            {less && <p className={parts.impact}>{t("keys.edit.less")}</p>}
            {problem?.status === 412 ? <p className={parts.fieldError} role="alert">{t("keys.stale")}</p> : problem && problem.fields.length === 0 && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!draft.name.trim() || draft.scopes.length === 0 || Object.keys(change).length === 0}>{t("edit.save")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
