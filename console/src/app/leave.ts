/** The ways out of a session: asked for, run out, or ended by the hub. All lead to the sign-in page, which says why. */
import { forgetCsrf, onSignedOut } from "../api/client";
import { endedActing } from "../auth/acting";
import { keepReason, meQuery, signOut } from "../auth/session";
import { t } from "../i18n";
import { ANOTHER_USER, elsewhere, endsAccess, endsAddress, endsSession } from "../live/codes";
import { stopLive } from "../live/store";
import { forgetUndo } from "../parts/undo";
import { queries } from "./queries";
import { router } from "./router";

/** While who asked to go is on the way out: what the hub says of the session's end meanwhile is no news to them. */
let leaving = false;

async function leave(reason: string | null, back: boolean): Promise<void> {
  stopLive(true);
  forgetUndo();
  if (reason) keepReason(reason);
  const next = back ? router.state.location.href : undefined;
  await router.navigate({ to: "/sign-in", search: next && next !== "/" ? { next } : {}, replace: back });
  queries.clear();
}

export async function leaveNow(): Promise<void> {
  leaving = true;
  try {
    await signOut();
    await leave(null, false);
  } finally {
    leaving = false;
  }
}

export function watchSession(): void {
  onSignedOut(() => {
    forgetCsrf();
    if (!leaving && router.state.location.pathname !== "/sign-in") void leave(t("signin.expired"), true);
  });
}

/** The link was closed for good. Whoever signed in again in this browser goes on from the sign-in page by themselves. */
export function linkEnded(code: number): void {
  if (leaving || !endsSession(code)) return;
  if (endedActing()) return;
  if (!elsewhere(code)) forgetCsrf(queries.getQueryData(meQuery.queryKey)?.csrf_token);
  void leave(endsAccess(code) ? t("signin.access") : endsAddress(code) ? t("signin.address") : code === ANOTHER_USER ? t("signin.another") : t("signin.expired"), true);
}
