/** What people come back from a provider with, and where they go on. */

/** What a provider sends people back with. */
export interface Returned {
  state: string;
  code?: string;
  iss?: string;
  error?: string;
}

/** Whether the answer is to a wish to link: its state says so. */
export const isLink = (returned: Returned): boolean => returned.state.startsWith("l.");

/** Only a path of this console: an address from elsewhere must not be a way out. */
export function nextOf(response: Response): string {
  const next = response.headers.get("x-signalbox-next");
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") ? next : "/";
}
