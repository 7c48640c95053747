/** Signing in, and linking accounts, through others: leaving for a provider and coming back. */
import { queryOptions } from "@tanstack/react-query";
import { api, keepCsrf, must } from "../api/client";
import type { Choices, LinkedAccounts } from "../api/types";
import type { Asked } from "./factors";
import { isLink, nextOf, type Returned } from "./returned";

export const choicesQuery = queryOptions({
  queryKey: ["auth", "providers"],
  queryFn: ({ signal }): Promise<Choices> => must(api.GET("/api/v1/auth/providers", { signal })),
  staleTime: 60_000,
  retry: false,
});

export const linkedQuery = queryOptions({
  queryKey: ["me", "linked_accounts"],
  queryFn: ({ signal }): Promise<LinkedAccounts> => must(api.GET("/api/v1/me/linked_accounts", { signal })),
});

/** Goes to the provider's own page; `again`: to be asked there who one is, even where one is signed in. */
export async function leaveToSignIn(id: string, next?: string, again = false): Promise<void> {
  const away = await must(api.POST("/api/v1/auth/providers/{id}/start", { params: { path: { id } }, body: next ? { next, again } : { again } }));
  location.assign(away.authorization_url);
}

export async function leaveToLink(id: string, next: string): Promise<void> {
  const away = await must(api.POST("/api/v1/me/linked_accounts/{id}/start", { params: { path: { id } }, body: { next } }));
  location.assign(away.authorization_url);
}

/** Where somebody who came back goes on, and what sign-in still asks of them before. */
export interface Back {
  next: string;
  owed: Asked | null;
}

/** Comes back: with an account to link, or to sign in. */
export async function comeBack(returned: Returned): Promise<Back> {
  if (isLink(returned)) {
    const { error, response } = await api.POST("/api/v1/me/linked_accounts/finish", { body: returned });
    await must(Promise.resolve({ error, response }));
    return { next: nextOf(response), owed: null };
  }
  const { data, error, response } = await api.POST("/api/v1/auth/providers/finish", { body: returned });
  const told = await must(Promise.resolve({ data, error, response }));
  if (told && "csrf_token" in told) keepCsrf(told.csrf_token);
  return { next: nextOf(response), owed: told && "factor_needed" in told ? told.factor_needed : null };
}

export async function unlink(id: string): Promise<void> {
  await must(api.DELETE("/api/v1/me/linked_accounts/{id}", { params: { path: { id } } }));
}
