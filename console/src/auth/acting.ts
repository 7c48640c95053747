/**
 * Acting as somebody else: a session beside one's own, in this browser's access cookie. The refresh cookie stays one's own, so
 * refreshing leads back.
 *
 * Invariant: no request that was meant as one person is repeated as the other: every change of who one is loads all tabs anew.
 */
import { ACTING, began, isActing } from "../api/acting";
import { api, keepCsrf, must, refresh } from "../api/client";

/** This tab goes where it was told already. */
let going = false;

/** Other tabs of this browser follow; this one goes where it is told. */
function everywhere(acting: boolean, to: string): void {
  if (acting) localStorage.setItem(ACTING, String(Date.now()));
  else localStorage.removeItem(ACTING);
  location.assign(to);
}

export async function actAs(id: string, reason: string): Promise<void> {
  const begun = await must(api.POST("/api/v1/users/{id}/impersonate", { params: { path: { id } }, body: { reason } }));
  going = true;
  keepCsrf(begun.csrf_token);
  everywhere(true, "/");
}

export const elevate = (reason: string) => must(api.POST("/api/v1/me/elevate", { body: { reason } }));

/** Back to oneself: asked for, or because the hub has ended it. */
export async function beOneself(to: string): Promise<void> {
  going = true;
  await api.POST("/api/v1/me/impersonation/end").catch(() => {});
  await refresh(Date.now());
  everywhere(false, to);
}

/** Loads this tab anew when another begins or ends it. */
export function watchActing(): void {
  addEventListener("storage", (event) => {
    if (event.key === ACTING && !going) location.reload();
  });
}

/** True where the link's end is that of acting as somebody, or another tab has begun it: then it leads on, and not out. */
export function endedActing(): boolean {
  if (going) return true;
  if (isActing() !== began) {
    location.reload();
    return true;
  }
  if (!began) return false;
  going = true;
  void refresh(Date.now()).then(() => everywhere(false, "/"));
  return true;
}
