/** The ways out of a session: asked for, run out, or ended by the hub. All lead to the sign-in page, which says why. */
import { forgetCsrf, onSignedOut } from "../api/client";
import { keepReason, signOut } from "../auth/session";
import { t } from "../i18n";
import { stopLive } from "../live/store";
import { queries } from "./queries";
import { router } from "./router";

function leave(reason: string | null, back: boolean): void {
  stopLive();
  forgetCsrf();
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

/** The socket was closed for good. `reason` is the hub's own sentence, empty where it gave none. */
export function socketEnded(reason: string, code: number): void {
  if (code < 4500 && code !== 1 && code !== 3500) return;
  leave(reason ? t("signin.ended", { reason }) : t("signin.expired"), true);
}
