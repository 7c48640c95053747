/** The ways out of a session: asked for, run out, or ended by the hub. All lead to the sign-in page, which says why. */
import { forgetCsrf, onSignedOut } from "../api/client";
import { keepReason, signOut } from "../auth/session";
import { t } from "../i18n";
import { stopLive } from "../live/store";
import { forgetUndo } from "../parts/undo";
import { queries } from "./queries";
import { router } from "./router";

function leave(reason: string | null, back: boolean): void {
  stopLive();
  forgetCsrf();
  forgetUndo();
  if (reason) keepReason(reason);
  const next = back ? router.state.location.href : undefined;
  void router.navigate({ to: "/sign-in", search: next && next !== "/" ? { next } : {}, replace: back }).then(() => queries.clear());
}

export async function leaveNow(): Promise<void> {
  await signOut();
  leave(null, false);
}

export function watchSession(): void {
  onSignedOut(() => {
    if (router.state.location.pathname !== "/sign-in") leave(t("signin.expired"), true);
  });
}

/** Close codes: the client's own for "no token", the protocol's for a bad one, the hub's for a session or a person shut out. */
const UNAUTHORIZED = 1;
const INVALID_TOKEN = 3500;
const SIGNED_OUT = 4500;
const ACCESS_ENDED = 4501;

/** The socket was closed for good. */
export function socketEnded(code: number): void {
  if (code < SIGNED_OUT && code !== UNAUTHORIZED && code !== INVALID_TOKEN) return;
  leave(code === ACCESS_ENDED ? t("signin.access") : t("signin.expired"), true);
}
