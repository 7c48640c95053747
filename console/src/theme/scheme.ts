/** The colour scheme a person chose: "system" follows the machine. Held on <html>, so no component renders again. */
export type Scheme = "system" | "light" | "dark";

const KEY = "signalbox.scheme";

export function chosenScheme(): Scheme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function applyScheme(scheme: Scheme): void {
  if (scheme === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.scheme;
    return;
  }
  localStorage.setItem(KEY, scheme);
  document.documentElement.dataset.scheme = scheme;
}

/** What is on the screen now. */
export function shownScheme(): "light" | "dark" {
  const chosen = chosenScheme();
  if (chosen !== "system") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
