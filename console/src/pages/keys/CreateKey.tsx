import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { t } from "../../i18n";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { limitsIn } from "./change";
import { addressesIn, endIn, type KeyDraft, KeyFields, useLives } from "./KeyFields";
import { createKey, type NewKey } from "./queries";
import { Secret } from "./Secret";

const EMPTY: KeyDraft = { name: "", scopes: [], addresses: "", pace: "", limits: "", life: "90" };

export default function CreateKey({ onClose }: { onClose: (created?: string) => void }) {
  const [draft, setDraft] = useState(EMPTY);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [made, setMade] = useState<{ id: string; secret: string } | null>(null);
  // One key for this form: sent twice, it makes one key.
  const [idempotency, setIdempotency] = useState(once);
  const lives = useLives();
  const { name, scopes, addresses, pace, limits } = draft;
  const life = lives.some((one) => one.value === draft.life) ? draft.life : "";

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const body: NewKey = {
      name,
      scopes,
      addresses: addressesIn(addresses),
      ...(pace.trim() && { requests_per_minute: Number(pace) }),
      ...(limits.trim() && { resource_limits: limitsIn(limits) }),
      ...(life && { expires_at: endIn(life) }),
    };
    try {
      setMade(await createKey(idempotency, body));
    } catch (error) {
      setProblem(asProblem(error));
      setIdempotency(once());
      setBusy(false);
    }
  };
  if (made) return <Secret secret={made.secret} name={name} onDone={() => onClose(made.id)} />;
  return (
    <Dialog open onClose={busy ? undefined : () => onClose()} maxWidth="sm" fullWidth aria-labelledby="create-key-title">
      <form onSubmit={submit}>
        <DialogTitle id="create-key-title">{t("keys.create")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <KeyFields draft={draft} set={(change) => setDraft((before) => ({ ...before, ...change }))} problem={problem} lives={lives} />
            {problem && problem.fields.length === 0 && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => onClose()} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!name.trim() || scopes.length === 0}>{t("keys.create.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
