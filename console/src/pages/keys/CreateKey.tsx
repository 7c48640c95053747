import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Choice, Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import css from "./keys.module.css";
import { createKey, type NewKey, policyQuery } from "./queries";
import { Secret } from "./Secret";

const LIVES = [30, 90, 365];
const DAY = 24 * 3600 * 1000;

export default function CreateKey({ onClose }: { onClose: (created?: string) => void }) {
  const me = useMe();
  const longest = useQuery(policyQuery).data?.max_days ?? null;
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>([]);
  const [addresses, setAddresses] = useState("");
  const [pace, setPace] = useState("");
  const [life, setLife] = useState("90");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [made, setMade] = useState<{ id: string; secret: string } | null>(null);
  // One key for this form: sent twice, it makes one key.
  const [idempotency, setIdempotency] = useState(once);
  const told = (field: string) => problem?.fields.find((error) => error.field.split(".")[0] === field)?.detail;
  const lives = LIVES.filter((days) => longest === null || days < longest);
  const last = longest === null ? { value: "", label: t("keys.life.ever") } : { value: "", label: t("keys.life.policy", { n: longest }) };
  const options = [...lives.map((days) => ({ value: String(days), label: t("keys.life.days", { n: days }) })), last];
  const chosen = options.some((option) => option.value === life) ? life : "";

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const body: NewKey = {
      name,
      scopes,
      addresses: addresses.split(/[\s,]+/).filter(Boolean),
      ...(pace.trim() && { requests_per_minute: Number(pace) }),
      ...(chosen && { expires_at: new Date(Date.now() + Number(chosen) * DAY).toISOString() }),
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
  const toggle = (scope: string, on: boolean) => setScopes((before) => (on ? [...before, scope] : before.filter((other) => other !== scope)));
  const unplaced = problem && problem.fields.length === 0;
  return (
    <Dialog open onClose={busy ? undefined : () => onClose()} maxWidth="sm" fullWidth aria-labelledby="create-key-title">
      <form onSubmit={submit}>
        <DialogTitle id="create-key-title">{t("keys.create")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("field.name")} value={name} onValue={setName} required autoFocus error={told("name")} note={t("keys.nameNote")} />
            <fieldset className={parts.plain}>
              <legend className={parts.legend}>{t("keys.scopes")}</legend>
              <div className={css.scopes}>
                {me.permissions.map((scope) => (
                  <FormControlLabel key={scope} control={<Checkbox size="small" checked={scopes.includes(scope)} onChange={(event) => toggle(scope, event.target.checked)} />} label={<code className={parts.code}>{scope}</code>} />
                ))}
              </div>
              <span className={told("scopes") ? parts.fieldError : parts.note}>{told("scopes") ?? t("keys.scopesNote")}</span>
            </fieldset>
            <Field label={t("keys.addresses")} value={addresses} onValue={setAddresses} multiline minRows={2} mono error={told("addresses")} note={t("keys.addressesNote")} />
            <div className={css.pair}>
              <Choice label={t("keys.life")} value={chosen} onValue={setLife} options={options} error={told("expires_at")} />
              <Field label={t("keys.pace")} type="number" value={pace} onValue={setPace} error={told("requests_per_minute")} note={t("keys.paceNote")} />
            </div>
            {unplaced && <ErrorLine problem={problem} />}
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
