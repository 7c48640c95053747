/** What is open is no filter. */
const NOT_KEPT = ["open", "tab", "create", "cursor"];

/** The page's address as a view keeps it: its parameters in one order. */
export function kept(search: Record<string, unknown>): string {
  const pairs = Object.entries(search).filter(([key, value]) => !NOT_KEPT.includes(key) && value !== undefined && value !== "");
  return new URLSearchParams(pairs.map(([key, value]): [string, string] => [key, String(value)]).sort(([a], [b]) => (a < b ? -1 : 1))).toString();
}
