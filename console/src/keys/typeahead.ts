/**
 * Keeps what is typed between asking for the palette and its being there: its code is loaded when it is first opened, and
 * nobody should have to wait for it with the fingers in the air.
 */
let typed = "";
let listening = false;

function keep(event: KeyboardEvent): void {
  if (event.key === "Escape" || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.key.length === 1) typed += event.key;
  if (event.key === "Backspace") typed = typed.slice(0, -1);
}

export function keepTyping(): void {
  if (listening) return;
  listening = true;
  typed = "";
  window.addEventListener("keydown", keep, true);
}

/** What was typed so far; from here on the keys are the field's own. */
export function takeTyped(): string {
  window.removeEventListener("keydown", keep, true);
  listening = false;
  const taken = typed;
  typed = "";
  return taken;
}
