/** What happened, in words: the catalogue has a sentence for each act the console knows. */
import type { Audit } from "../../api/types";
import { t, tOr } from "../../i18n";
import "../../i18n/did";
import type { Tone } from "../../parts/basics";

/**
 * "banned Ada": the sentence behind the actor's name. An act the catalogue does not know is told by the hub's own template,
 * such as `{actor} banned {subject}`.
 */
export function actText(action: string, subject: string | null | undefined, template?: string | null): string {
  const whom = subject || t("actor.someone");
  const fallback = template ? template.replace(/^\{actor\}\s*/, "").replaceAll("{subject}", whom) : `${action} ${subject ?? ""}`;
  return tOr(`did.${action}`, fallback, { subject: whom });
}

/** What the hub enters for whoever stands before the sign-in and is not known yet. */
const UNKNOWN = "auth";

/** Who did it, in words: a part of the hub is the system, whichever it was. */
export function whoDid(actor: { kind?: string; id?: string | null; name?: string | null } | null | undefined): string {
  if (actor?.id || actor?.kind === "user") return actor.name ?? t("actor.unknown");
  if (actor?.name === UNKNOWN) return t("actor.unknown");
  return t("actor.system");
}

/** What an import came to, as the audit log's entry about its end holds it. */
interface ImportDetails {
  mode?: string;
  state?: string;
  counts?: { inserted: number; updated: number; rejected: number };
}

/** The sentence of an entry; the end of an import is told with its numbers. */
export function entryText(entry: Pick<Audit, "action" | "subject"> & { actor?: { id?: string | null }; details?: unknown }): string {
  const { mode, state, counts } = (entry.details ?? {}) as ImportDetails;
  if (entry.action === "imports.finish" && state === "failed") return t("did.imports.failed");
  if (entry.action === "imports.finish" && counts && mode) return t(mode === "dry_run" ? "did.imports.checked" : state === "succeeded" ? "did.imports.done" : "did.imports.stopped", { ...counts });
  if (entry.action === "imports.start" && mode === "dry_run") return t("did.imports.check");
  // Half a sign-in: a second factor is still to be shown, or to be set up.
  if (entry.action === "auth.login" && entry.actor && !entry.actor.id && entry.subject.label) return t("did.auth.password", { subject: entry.subject.label });
  return actText(entry.action, entry.subject.label ?? "");
}

/** Acts are named `users.ban`, events about them `user.banned`. */
export function actTone(action: string): Tone {
  if (/\.unban|create|finish|succe|import|login$/.test(action)) return "ok";
  if (/\.ban|delete|fail|revoke|quarantine|reuse/.test(action)) return "bad";
  if (/password|cancel|retry|expire/.test(action)) return "warn";
  return "info";
}

/** The tone of an entry: the end of an import is as good as what it came to. */
export function entryTone(entry: { action: string; details?: unknown }): Tone {
  const { state } = (entry.details ?? {}) as ImportDetails;
  if (entry.action === "imports.finish" && state) return state === "succeeded" ? "ok" : state === "cancelled" ? "warn" : "bad";
  return actTone(entry.action);
}

/** A value before or after a change, as a person reads it; what is no plain value or list of such stays JSON. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.length === 0 ? "–" : value.map(valueText).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What a filter may be set to, from the entries that are read: acts by their name, people and things by theirs for their id. */
export function valuesOf(rows: readonly Pick<Audit, "action" | "actor" | "subject">[]): Record<"action" | "actor" | "subject", { value: string; label?: string }[]> {
  const named = (things: { id?: string | null; name?: string | null }[]) => [...new Map(things.flatMap(({ id, name }) => (id && name ? [[id, name] as const] : [])))].map(([value, label]) => ({ value, label })).sort((a, b) => a.label.localeCompare(b.label));
  return {
    action: [...new Set(rows.map((row) => row.action))].sort().map((value) => ({ value })),
    actor: named(rows.map((row) => row.actor)),
    subject: named(rows.map(({ subject }) => ({ id: subject.id, name: subject.label }))),
  };
}
