/** A provider to be added or changed. What decides who its people are is set once. */
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import FormControlLabel from "@mui/material/FormControlLabel";
import { type ReactNode, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Provider } from "../../api/types";
import { t } from "../../i18n";
import { Choice, Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { begin, changed, type Draft, made } from "./draft";
import { Mappings } from "./Mappings";
import css from "./providers.module.css";
import { addProvider, changeProvider } from "./queries";

export default function ProviderForm({ provider, onClose, onSaved }: { provider: Provider | null; onClose: () => void; onSaved: () => void }) {
  const [draft, setDraft] = useState<Draft>(() => begin(provider));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const set = (next: Partial<Draft>) => setDraft((before) => ({ ...before, ...next }));
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  const isOidc = draft.kind === "oidc";
  const text = (field: keyof Draft & string, label: string, more: { note?: string; disabled?: boolean; required?: boolean; mono?: boolean; told?: string } = {}) => (
    <Field label={label} value={draft[field] as string} onValue={(value) => set({ [field]: value })} error={told(more.told ?? field)} note={more.note} disabled={more.disabled} required={more.required} mono={more.mono} />
  );
  const tick = (field: keyof Draft & string, label: string, note?: ReactNode) => (
    <div>
      <FormControlLabel control={<Checkbox checked={draft[field] as boolean} onChange={(event) => set({ [field]: event.target.checked })} />} label={label} />
      {note && <div className={parts.note}>{note}</div>}
    </div>
  );
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const saved = provider ? await changeProvider(provider, changed(draft, provider)) : await addProvider(made(draft));
      toast(t(provider ? "providers.changed" : "providers.added", { name: saved.name }));
      onSaved();
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  const shown = ["name", "issuer", "client_id", "client_secret", "scopes", "jwks_url", "audience", "algorithms", "email_domains", "claims.subject", "claims.email", "claims.email_verified", "claims.name"];
  const elsewhere = problem && !problem.fields.some((error) => shown.includes(error.field));
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="sm" fullWidth aria-labelledby="provider-title">
      <form onSubmit={submit}>
        <DialogTitle id="provider-title">{provider ? provider.name : t("providers.add")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            {!provider && <Choice label={t("providers.kind")} value={draft.kind} onValue={(kind) => set({ kind: kind as Draft["kind"] })} options={[{ value: "oidc", label: t("providers.kind.oidc") }, { value: "external_jwt", label: t("providers.kind.external_jwt") }]} />}
            {text("name", t("field.name"), { required: true })}
            {text("issuer", t("providers.issuer"), { note: t("providers.issuerNote"), disabled: provider !== null, required: true, mono: true })}
            {isOidc ? (
              <>
                {text("client_id", t("providers.client"), { required: true, mono: true })}
                <Field label={t("providers.clientSecret")} type="password" autoComplete="off" value={draft.client_secret} onValue={(value) => set({ client_secret: value })} error={told("client_secret")} note={provider?.has_client_secret ? t("providers.secretKept") : undefined} />
                {text("scopes", t("providers.scopes"), { note: t("providers.scopesNote"), mono: true })}
              </>
            ) : (
              <>
                {text("jwks_url", t("providers.jwks"), { note: t("providers.fixed"), disabled: provider !== null, required: true, mono: true })}
                {text("audience", t("providers.audience"), { note: t("providers.audienceNote"), disabled: provider !== null, required: true, mono: true })}
              </>
            )}
            {text("algorithms", t("providers.algorithms"), { note: t("providers.algorithmsNote"), mono: true })}
            <fieldset className={css.group}>
              <legend>{t("providers.gives")}</legend>
              {tick("enabled", t("providers.enabled"))}
              {isOidc && tick("listed", t("providers.listed"))}
              {tick("provision", t("providers.provision"), t("providers.provisionNote"))}
              {tick("link_by_email", t("providers.linkByEmail"), t("providers.linkByEmailNote"))}
              {tick("second_factor", t("providers.factor"))}
              {text("email_domains", t("providers.domains"), { note: t("providers.domainsNote") })}
            </fieldset>
            <Mappings mappings={draft.mappings} onChange={(mappings) => set({ mappings })} />
            <fieldset className={css.group}>
              <legend>{t("providers.claims")}</legend>
              <span className={parts.note}>{t("providers.claimsNote")}</span>
              {text("subject", t("providers.claim.subject"), { note: t("providers.fixed"), disabled: provider !== null, mono: true, told: "claims.subject" })}
              {text("email", t("providers.claim.email"), { mono: true, told: "claims.email" })}
              {text("verified", t("providers.claim.verified"), { mono: true, told: "claims.email_verified" })}
              {text("person", t("providers.claim.name"), { mono: true, told: "claims.name" })}
            </fieldset>
            {elsewhere && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!draft.name.trim() || !draft.issuer.trim()}>{provider ? t("providers.save") : t("providers.add.action")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
