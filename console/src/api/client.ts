/**
 * The one way to the hub's REST API. Types come from the committed OpenAPI document.
 *
 * Invariant: a 401 leads to one refresh for all tabs together (a refresh token turns once; two tabs that both turn it
 * would look like a thief), then to one repeat of the request, then to the sign-in page. Where the hub wants a proof of who
 * one is first, the person is asked and the request repeated once.
 */
import createClient from "openapi-fetch";
import { prove, wantsProof } from "../auth/stepUp";
import { ACTING, began as actingThen, isActing } from "./acting";
import { problemFrom } from "./problem";
import type { paths } from "./schema.gen";
import type { Me } from "./types";

const CSRF = "signalbox.csrf";
const REFRESHED = "signalbox.refreshed";

// The token is bound to the session cookie and worthless without it; all tabs of the browser share both.
export function keepCsrf(token: string | null | undefined): void {
  if (token) localStorage.setItem(CSRF, token);
}

/** Of one session, if one is named: a newer one may have come to this browser meanwhile. */
export function forgetCsrf(of?: string | null): void {
  if (!of || localStorage.getItem(CSRF) === of) localStorage.removeItem(CSRF);
}

/** Without its token no session can be open here: asking the hub would only draw a 401. */
export const mayBeSignedIn = (): boolean => localStorage.getItem(CSRF) !== null;

/** Tells when a session has begun in another tab. */
export function onSignedInElsewhere(listener: () => void): () => void {
  const stored = (event: StorageEvent) => event.key === CSRF && event.newValue !== null && listener();
  window.addEventListener("storage", stored);
  return () => window.removeEventListener("storage", stored);
}

/** Whose session is open now, for whoever has just lost theirs; null for none. */
export async function whoIsSignedIn(): Promise<string | null> {
  try {
    const answer = await fetch(dressed(new Request(`${location.origin}/api/v1/me`, { signal: AbortSignal.timeout(3_000) })));
    return answer.ok ? ((await answer.json()) as Me).user.id : null;
  } catch {
    return null;
  }
}

type Listener = () => void;
const signedOut = new Set<Listener>();

/** Told when the session is over and cannot be renewed. */
export function onSignedOut(listener: Listener): Listener {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

function dressed(request: Request): Request {
  request.headers.set("X-Signalbox-Client", "console");
  const csrf = localStorage.getItem(CSRF);
  if (request.method !== "GET" && csrf) request.headers.set("X-CSRF-Token", csrf);
  return request;
}

async function turnTokens(): Promise<boolean> {
  const request = new Request("/api/v1/auth/refresh", { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } });
  const response = await fetch(dressed(request));
  if (!response.ok) return false;
  const body = (await response.json()) as { csrf_token?: string };
  keepCsrf(body.csrf_token);
  localStorage.setItem(REFRESHED, String(Date.now()));
  return true;
}

/** True when the session lives on: renewed by this tab, or by another since `before` (milliseconds of the clock). */
export function refresh(before: number): Promise<boolean> {
  return navigator.locks.request("signalbox.refresh", async () => {
    if (Number(localStorage.getItem(REFRESHED)) > before) return true;
    return turnTokens();
  });
}

async function send(request: Request): Promise<Response> {
  const proved = request.clone();
  const response = await sendFresh(request);
  return (await wantsProof(response)) && (await prove()) ? sendFresh(proved) : response;
}

async function sendFresh(request: Request): Promise<Response> {
  const began = Date.now();
  const again = request.clone();
  const response = await fetch(dressed(request));
  if (response.status !== 401 || new URL(request.url).pathname.startsWith("/api/v1/auth/")) return response;
  if (actingThen || isActing()) {
    // Who acts here is another by now. What was meant as one person is not done as the other: all tabs begin anew.
    if (actingThen && isActing()) {
      await refresh(began);
      localStorage.removeItem(ACTING);
    }
    location.reload();
    return response;
  }
  if (mayBeSignedIn() && (await refresh(began))) return fetch(dressed(again));
  for (const listener of signedOut) listener();
  return response;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

/** An upload is sent once and never copied for a repeat: call `GET /me` first, so that the session is fresh. */
export const sendOnce = (request: Request): Promise<Response> => fetch(dressed(request));

/** A header by which the hub recognises a repeated request. */
export const once = () => ({ "Idempotency-Key": crypto.randomUUID() });

/** The result of a call, or its problem thrown. */
export async function must<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw problemFrom(error, response);
  return data as T;
}
