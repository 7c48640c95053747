/** What can be said of a key, in the form that makes one and in the form that changes one. */
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import type { Problem } from "../../api/problem";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Choice, Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import css from "./keys.module.css";
import { policyQuery } from "./queries";

export interface KeyDraft {
  name: string;
  scopes: string[];
  /** As it is typed: one a line. */
  addresses: string;
  pace: string;
  /** As it is typed: a resource and a number on each line. */
  limits: string;
  /** Days from now; empty: without an end, or as long as the organization allows. `KEEP`: as it is. */
  life: string;
}

export const KEEP = "keep";
const LIVES = [30, 90, 365];
const DAY = 24 * 3600 * 1000;

export const addressesIn = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
export const endIn = (days: string): string => new Date(Date.now() + Number(days) * DAY).toISOString();

/** The lives that can be chosen, within what the organization allows. */
export function useLives(keep?: string): { value: string; label: string }[] {
  const longest = useQuery(policyQuery).data?.max_days ?? null;
  const lives = LIVES.filter((days) => longest === null || days < longest);
  const last = longest === null ? { value: "", label: t("keys.life.ever") } : { value: "", label: t("keys.life.policy", { n: longest }) };
  return [...(keep ? [{ value: KEEP, label: keep }] : []), ...lives.map((days) => ({ value: String(days), label: t("keys.life.days", { n: days }) })), last];
}

interface Props {
  draft: KeyDraft;
  set: (change: Partial<KeyDraft>) => void;
  problem: Problem | null;
  /** What it may do now, of which some may be beyond this viewer. */
  has?: string[];
  lives: { value: string; label: string }[];
}

export function KeyFields({ draft, set, problem, has = [], lives }: Props) {
  const me = useMe();
  const told = (field: string) => problem?.fields.find((error) => error.field.split(".")[0] === field)?.detail;
  const { scopes } = draft;
  // what it has stands first: the list is longer than its box
  const offered = [...new Set([...[...has].sort(), ...[...me.permissions].sort()])];
  const toggle = (scope: string, on: boolean) => set({ scopes: on ? [...scopes, scope] : scopes.filter((other) => other !== scope) });
  return (
    <>
      <Field label={t("field.name")} value={draft.name} onValue={(name) => set({ name })} required autoFocus error={told("name")} note={t("keys.nameNote")} />
      <fieldset className={parts.plain}>
        <legend className={parts.legend}>{t("keys.scopes")}</legend>
        <div className={css.scopes}>
          {offered.map((scope) => (
            <FormControlLabel key={scope} control={<Checkbox size="small" checked={scopes.includes(scope)} onChange={(event) => toggle(scope, event.target.checked)} />} label={<code className={parts.code}>{scope}</code>} />
          ))}
        </div>
        <span className={told("scopes") ? parts.fieldError : parts.note}>{told("scopes") ?? t("keys.scopesNote")}</span>
      </fieldset>
      <Field label={t("keys.addresses")} value={draft.addresses} onValue={(addresses) => set({ addresses })} multiline minRows={2} mono error={told("addresses")} note={t("keys.addressesNote")} />
      <div className={css.pair}>
        <Choice label={t("keys.life")} value={lives.some((life) => life.value === draft.life) ? draft.life : (lives.at(-1)?.value ?? "")} onValue={(life) => set({ life })} options={lives} error={told("expires_at")} />
        <Field label={t("keys.pace")} type="number" value={draft.pace} onValue={(pace) => set({ pace })} error={told("requests_per_minute")} note={t("keys.paceNote")} />
      </div>
      <Field label={t("keys.limits")} value={draft.limits} onValue={(limits) => set({ limits })} multiline minRows={1} mono error={told("resource_limits")} note={t("keys.limitsNote")} />
    </>
  );
}
