/** What happened, in words: the catalogue has a sentence for each kind of act the console knows. */
import { t, tOr } from "../../i18n";
import type { Tone } from "../../parts/basics";

/** "banned Ada": the sentence behind the actor's name. */
export function actText(action: string, subject: string): string {
  return tOr(`did.${action}`, `${action} ${subject}`, { subject: subject || t("actor.someone") });
}

export function actTone(action: string): Tone {
  if (/banned|deleted|failed|revoked|quarantined/.test(action) && !/unbanned/.test(action)) return "bad";
  if (/created|unbanned|finished|succeeded|imported/.test(action)) return "ok";
  if (/password|cancel|retry/.test(action)) return "warn";
  return "info";
}
