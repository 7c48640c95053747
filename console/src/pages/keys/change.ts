/** What of a key differs from what it was, as the hub takes it. Pure. */
import type { ApiKey } from "../../api/types";

export interface KeyChange {
  name?: string;
  scopes?: string[];
  addresses?: string[];
  requests_per_minute?: number | null;
  expires_at?: string | null;
}

export interface Wanted {
  name: string;
  scopes: string[];
  addresses: string[];
  pace: string;
  /** A new end, null for none, undefined to leave it. */
  end: string | null | undefined;
}

const sameSet = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((one) => b.includes(one));

/** Only what differs is named: what somebody else changed beside it stays. */
export function changeOf(key: Pick<ApiKey, "name" | "scopes" | "addresses" | "requests_per_minute" | "expires_at">, { name, scopes, addresses, pace, end }: Wanted): KeyChange {
  const most = pace.trim() ? Number(pace) : null;
  return {
    ...(name.trim() !== key.name && { name: name.trim() }),
    ...(!sameSet(scopes, key.scopes) && { scopes }),
    ...(!sameSet(addresses, key.addresses) && { addresses }),
    ...(most !== (key.requests_per_minute ?? null) && { requests_per_minute: most }),
    ...(end !== undefined && end !== (key.expires_at ?? null) && { expires_at: end }),
  };
}
