/** One's own second factors, as the hub keeps them. */
import { queryOptions } from "@tanstack/react-query";
import { api, keepCsrf, must } from "../api/client";
import type { Ceremony, Enrolled, Enrollment, Factor, Factors, Provable } from "../api/types";
import { renewLink } from "../live/store";
import { makePasskey, passkeysWork, showPasskey } from "./webauthn";

export type FactorKind = Factor["kind"];

/** What is shown, as the hub takes it. */
export type Proof =
  | { kind: "password"; password: string }
  | { kind: "totp" | "sms" | "recovery_code"; code: string }
  | { kind: "passkey"; ceremony: string; credential: Record<string, unknown> };

/** What sign-in still asks for. */
export interface Asked {
  ticket: string;
  kinds: FactorKind[];
  expires_in: number;
  enroll: boolean;
}

export interface Confirmation {
  enrollment: string;
  name: string;
  code?: string;
  credential?: Record<string, unknown>;
}

/** What is to be set up. */
export interface Wanted {
  kind: FactorKind;
  phone?: string;
}

/** How something is set up: by whoever is signed in, or by whoever signs in. */
export interface Setup {
  begin: (wanted: Wanted) => Promise<Enrollment>;
  confirm: (confirmation: Confirmation) => Promise<string[]>;
}

export const factorsQuery = queryOptions({
  queryKey: ["me", "factors"],
  queryFn: ({ signal }): Promise<Factors> => must(api.GET("/api/v1/me/factors", { signal })),
});

/** Kinds that can be shown on this page. */
export const usable = (kinds: FactorKind[]): FactorKind[] => kinds.filter((kind) => kind !== "passkey" || passkeysWork());

export async function answerPasskey(ask: () => Promise<Ceremony>): Promise<Proof> {
  const { ceremony, options } = await ask();
  return { kind: "passkey", ceremony, credential: await showPasskey(options) };
}

/** Has a passkey made for `begun`. */
export async function confirmPasskey(begun: Enrollment, name: string): Promise<Confirmation> {
  return { enrollment: begun.enrollment, name, credential: await makePasskey(begun.options) };
}

export const askSignInPasskey = (ticket?: string): Promise<Ceremony> => must(api.POST("/api/v1/auth/passkey/options", { body: ticket ? { ticket } : {} }));

export async function sendSignInCode(ticket: string): Promise<void> {
  await must(api.POST("/api/v1/auth/factor/code", { body: { ticket } }));
}

export async function sendOwnCode(): Promise<void> {
  await must(api.POST("/api/v1/me/prove/code"));
}

export async function signInWithPasskey(): Promise<void> {
  const { ceremony, options } = await askSignInPasskey();
  const credential = await showPasskey(options);
  const told = await must(api.POST("/api/v1/auth/passkey", { body: { ceremony, credential: credential as never } }));
  keepCsrf(told.csrf_token);
}

export async function showFactor(ticket: string, proof: Proof): Promise<void> {
  const told = await must(api.POST("/api/v1/auth/factor", { body: { ticket, proof: proof as never } }));
  keepCsrf(told.csrf_token);
}

export const setupAtSignIn = (ticket: string): Setup => ({
  begin: (wanted) => must(api.POST("/api/v1/auth/enroll", { body: { ticket, factor: wanted as never } })),
  confirm: async (confirmation) => {
    const told = await must(api.POST("/api/v1/auth/enroll/confirm", { body: { ticket, confirmation: confirmation as never } }));
    keepCsrf(told.csrf_token);
    return told.recovery_codes;
  },
});

export const ownSetup: Setup = {
  begin: (wanted) => must(api.POST("/api/v1/me/factors", { body: wanted as never })),
  confirm: async (confirmation) => {
    const told: Enrolled = await must(api.POST("/api/v1/me/factors/confirm", { body: confirmation as never }));
    return told.recovery_codes ?? [];
  },
};

export const renameFactor = (id: string, name: string): Promise<Factor> => must(api.PATCH("/api/v1/me/factors/{id}", { params: { path: { id } }, body: { name } }));

export async function removeFactor(id: string): Promise<void> {
  await must(api.DELETE("/api/v1/me/factors/{id}", { params: { path: { id } } }));
}

export async function newRecoveryCodes(): Promise<string[]> {
  return (await must(api.POST("/api/v1/me/recovery_codes"))).recovery_codes;
}

export const whatProves = (): Promise<Provable> => must(api.GET("/api/v1/me/prove"));

export const askOwnPasskey = (): Promise<Ceremony> => must(api.POST("/api/v1/me/prove/passkey"));

/** The session goes on under a new id; live updates move over to it, from where they stand. */
export async function proveAgain(proof: Proof): Promise<void> {
  const told = await must(api.POST("/api/v1/me/prove", { body: proof as never }));
  keepCsrf(told.csrf_token);
  renewLink();
}
