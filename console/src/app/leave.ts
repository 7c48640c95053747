/** The ways out of a session: asked for, run out, or ended by the hub. All lead to the sign-in page, which says why. */
import { forgetCsrf, onSignedOut } from "../api/client";
import { keepReason, signOut } from "../auth/session";
import { t } from "../i18n";
import { ANOTHER_USER, elsewhere, endsAccess, endsAddress, endsSession } from "../live/codes";
import { stopLive } from "../live/store";
import { forgetUndo } from "../parts/undo";
import { queries } from "./queries";
import { router } from "./router";

function leave(reason: string | null, back: boolean): void {
  stopLive(true);
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
    forgetCsrf();
    if (router.state.location.pathname !== "/sign-in") leave(t("signin.expired"), true);
  });
}

/** The link was closed for good. */
export function linkEnded(code: number): void {
  if (!endsSession(code)) return;
  if (!elsewhere(code)) forgetCsrf();
  leave(endsAccess(code) ? t("signin.access") : endsAddress(code) ? t("signin.address") : code === ANOTHER_USER ? t("signin.another") : t("signin.expired"), true);
}
