/** What of a key differs from what it was, as the hub takes it. Pure. */
import type { ApiKey } from "../../api/types";

/** Requests a minute by resource. */
export type Limits = Record<string, number>;

export interface KeyChange {
  name?: string;
  scopes?: string[];
  addresses?: string[];
  requests_per_minute?: number | null;
  resource_limits?: Limits;
  expires_at?: string | null;
}

export interface Wanted {
  name: string;
  scopes: string[];
  addresses: string[];
  pace: string;
  limits: Limits;
  /** A new end, null for none, undefined to leave it. */
  end: string | null | undefined;
}

/** Limits as they are typed: a resource and a number on each line. What is no number is sent as it is, and refused by name. */
export const limitsIn = (text: string): Limits =>
  Object.fromEntries(
    text
      .split(/[\n,]+/)
      .map((line) => line.trim().split(/[\s:=]+/))
      .filter(([name]) => name)
      .map(([name, most]) => [name, Number(most)]),
  );
export const limitsText = (limits: Limits): string => Object.entries(limits).map(([name, most]) => `${name} ${most}`).join("\n");

const sameLimits = (a: Limits, b: Limits) => sameSet(Object.entries(a).map(String), Object.entries(b).map(String));
const sameSet = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((one) => b.includes(one));

/** Only what differs is named: what somebody else changed beside it stays. */
export function changeOf(key: Pick<ApiKey, "name" | "scopes" | "addresses" | "requests_per_minute" | "resource_limits" | "expires_at">, { name, scopes, addresses, pace, limits, end }: Wanted): KeyChange {
  const most = pace.trim() ? Number(pace) : null;
  return {
    ...(name.trim() !== key.name && { name: name.trim() }),
    ...(!sameSet(scopes, key.scopes) && { scopes }),
    ...(!sameSet(addresses, key.addresses) && { addresses }),
    ...(most !== (key.requests_per_minute ?? null) && { requests_per_minute: most }),
    ...(!sameLimits(limits, key.resource_limits) && { resource_limits: limits }),
    ...(end !== undefined && end !== (key.expires_at ?? null) && { expires_at: end }),
  };
}
