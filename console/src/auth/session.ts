/** Who is signed in, what they may do, and why they were signed out. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, forgetCsrf, keepCsrf, must } from "../api/client";
import type { Me } from "../api/types";
import { queries } from "../app/queries";
import { t } from "../i18n";
import type { Asked } from "./factors";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me> => {
    const me = await must(api.GET("/api/v1/me"));
    keepCsrf(me.csrf_token);
    return me;
  },
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

/** The signed-in person. Only below the shell, which does not render before it knows. */
export function useMe(): Me {
  const { data } = useQuery(meQuery);
  if (!data) throw new Error("useMe outside the shell");
  return data;
}

export function useMay(permission: string): boolean {
  return useMe().permissions.includes(permission);
}

/** Why a control is off that needs all of these permissions; null where they are held. */
export function useWhy(...permissions: string[]): string | null {
  const { permissions: held } = useMe();
  const lacked = permissions.find((permission) => !held.includes(permission));
  return lacked === undefined ? null : t("need", { permission: lacked });
}

/** Permissions that open a page: people and teams are listed to whoever may see some of them. */
export const opening = (me: Pick<Me, "permissions" | "limited">): string[] => [...me.permissions, ...me.limited.filter((name) => name === "users:read" || name === "teams:read")];

/** What the cache knows now, for code outside React. */
export function permissions(): ReadonlySet<string> {
  return new Set(queries.getQueryData(meQuery.queryKey)?.permissions ?? []);
}

/** What is still owed; null where the person is signed in. */
export async function signIn(email: string, password: string): Promise<Asked | null> {
  const told = await must(api.POST("/api/v1/auth/login", { body: { email, password } }));
  if ("factor_needed" in told) return told.factor_needed;
  if ("csrf_token" in told) keepCsrf(told.csrf_token);
  return null;
}

export async function signOut(): Promise<void> {
  await api.POST("/api/v1/auth/logout");
  forgetCsrf();
}

const WHY = "signalbox.signed-out";
const WHO = "signalbox.signed-out-who";

/** Kept across the way to the sign-in page: one line that says why the session ended, and whose it was. */
export function keepReason(reason: string): void {
  sessionStorage.setItem(WHY, reason);
  const who = queries.getQueryData(meQuery.queryKey)?.user.id;
  if (who) sessionStorage.setItem(WHO, who);
}

/** Whose session ended here last; null where nobody's did. */
export function takeWho(): string | null {
  const who = sessionStorage.getItem(WHO);
  sessionStorage.removeItem(WHO);
  return who;
}

export function takeReason(): string | null {
  const reason = sessionStorage.getItem(WHY);
  sessionStorage.removeItem(WHY);
  return reason;
}
