import { t } from "../i18n";
import { toast } from "./toast";

/**
 * Puts words on the clipboard and says so. Over plain HTTP, as on a local network, the browser keeps its clipboard to itself:
 * there the older way is taken, from a field that nobody sees.
 */
export async function copy(words: string, said = t("id.copied")): Promise<void> {
  const done = navigator.clipboard ? await navigator.clipboard.writeText(words).then(() => true, () => false) : fromField(words);
  toast(done ? said : t("id.notCopied"));
}

function fromField(words: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = words;
  field.className = "visually-hidden";
  // An open dialog lets the focus go nowhere else.
  (document.querySelector("[role=dialog][aria-modal=true]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}
