/** How close rows stand: as drawn, or closer, so that more of them are seen. Held on <html>, as the colours are. */
export type Density = "comfortable" | "compact";

const KEY = "signalbox.density";

export const chosenDensity = (): Density => (localStorage.getItem(KEY) === "compact" ? "compact" : "comfortable");

export function applyDensity(density: Density): void {
  if (density === "compact") localStorage.setItem(KEY, density);
  else localStorage.removeItem(KEY);
  document.documentElement.dataset.density = density;
}

/** The height of a row in pixels, as the token --row has it. */
export const rowHeight = (): number => (chosenDensity() === "compact" ? 36 : 44);
