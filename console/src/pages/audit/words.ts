/** What happened, in words: the catalogue has a sentence for each act the console knows. */
import { t, tOr } from "../../i18n";
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

/** Acts are named `users.ban`, events about them `user.banned`. */
export function actTone(action: string): Tone {
  if (/\.unban|create|finish|succe|import|login$/.test(action)) return "ok";
  if (/\.ban|delete|fail|revoke|quarantine|reuse/.test(action)) return "bad";
  if (/password|cancel|retry/.test(action)) return "warn";
  return "info";
}
