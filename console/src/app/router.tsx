/** The address bar is the state: every page, filter, tab and open item has its address. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { mayBeSignedIn } from "../api/client";
import { asProblem } from "../api/problem";
import { meQuery } from "../auth/session";
import { ErrorState } from "../parts/states";
import { Toasts } from "../parts/toast";
import { Shell, ShellGhost } from "./shell/Shell";
import { queries } from "./queries";

/** Search parameters are texts; what is empty is absent. */
function texts<K extends string>(...keys: K[]) {
  return (search: Record<string, unknown>): { [P in K]?: string } => {
    const kept: { [P in K]?: string } = {};
    for (const key of keys) {
      const value = search[key];
      if (value !== undefined && value !== null && value !== "") kept[key] = String(value);
    }
    return kept;
  };
}

const root = createRootRoute({
  component: () => (
    <>
      <Outlet />
      <Toasts />
    </>
  ),
  notFoundComponent: lazyRouteComponent(() => import("../pages/account/NotFound")),
});

const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", validateSearch: texts("next"), component: lazyRouteComponent(() => import("../pages/signin/SignIn")) });

const welcome = { getParentRoute: () => root } as const;
const invitation = createRoute({ ...welcome, path: "/invitation", component: lazyRouteComponent(() => import("../pages/welcome/Invitation")) });
const forgot = createRoute({ ...welcome, path: "/forgot-password", component: lazyRouteComponent(() => import("../pages/welcome/ForgotPassword")) });
const reset = createRoute({ ...welcome, path: "/reset-password", component: lazyRouteComponent(() => import("../pages/welcome/ResetPassword")) });
const confirmEmail = createRoute({ ...welcome, path: "/confirm-email", component: lazyRouteComponent(() => import("../pages/welcome/ConfirmEmail")) });
const signUp = createRoute({ ...welcome, path: "/sign-up", component: lazyRouteComponent(() => import("../pages/welcome/SignUp")) });
const confirmSignUp = createRoute({ ...welcome, path: "/confirm-sign-up", component: lazyRouteComponent(() => import("../pages/welcome/ConfirmSignUp")) });
const callback = createRoute({ getParentRoute: () => root, path: "/sign-in/callback", validateSearch: texts("state", "code", "iss", "error"), component: lazyRouteComponent(() => import("../pages/signin/Callback")) });

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: async ({ location }) => {
    if (!mayBeSignedIn()) throw redirect({ to: "/sign-in", search: location.href === "/" ? {} : { next: location.href }, replace: true });
    try {
      const me = await queries.ensureQueryData(meQuery);
      if (me.must_change_password && location.pathname !== "/account") throw redirect({ to: "/account", replace: true });
    } catch (error) {
      if (asProblem(error).status === 401) throw redirect({ to: "/sign-in", search: { next: location.href }, replace: true });
      throw error;
    }
  },
  component: Shell,
  pendingComponent: ShellGhost,
  pendingMs: 150,
  errorComponent: ({ error, reset }) => <ErrorState problem={asProblem(error)} retry={() => void router.invalidate().then(reset)} />,
});

const below = { getParentRoute: () => shell } as const;

const overview = createRoute({ ...below, path: "/", component: lazyRouteComponent(() => import("../pages/overview/Overview")) });
const events = createRoute({ ...below, path: "/events", validateSearch: texts("channels", "q"), component: lazyRouteComponent(() => import("../pages/events/LiveEvents")) });
const connections = createRoute({ ...below, path: "/connections", validateSearch: texts("q", "user", "node", "transport", "sort", "open"), component: lazyRouteComponent(() => import("../pages/connections/Connections")) });
const channels = createRoute({ ...below, path: "/channels", validateSearch: texts("q", "open"), component: lazyRouteComponent(() => import("../pages/channels/Channels")) });
const users = createRoute({ ...below, path: "/users", validateSearch: texts("q", "status", "role", "team", "department", "sort", "open", "tab", "create"), component: lazyRouteComponent(() => import("../pages/users/Users")) });
const user = createRoute({ ...below, path: "/users/$id", validateSearch: texts("tab"), component: lazyRouteComponent(() => import("../pages/users/UserPage")) });
const roles = createRoute({ ...below, path: "/roles", validateSearch: texts("view", "role", "permission", "open", "tab", "create"), component: lazyRouteComponent(() => import("../pages/roles/Roles")) });
const role = createRoute({ ...below, path: "/roles/$id", validateSearch: texts("tab"), component: lazyRouteComponent(() => import("../pages/roles/RolePage")) });
const teams = createRoute({ ...below, path: "/teams", validateSearch: texts("open", "create"), component: lazyRouteComponent(() => import("../pages/teams/Teams")) });
const refusal = createRoute({ ...below, path: "/refusals/$id", component: lazyRouteComponent(() => import("../pages/refusals/RefusalPage")) });
const imports = createRoute({ ...below, path: "/imports", component: lazyRouteComponent(() => import("../pages/imports/Imports")) });
const newImport = createRoute({ ...below, path: "/imports/new", validateSearch: texts("file", "check"), component: lazyRouteComponent(() => import("../pages/imports/Wizard")) });
const oneImport = createRoute({ ...below, path: "/imports/$id", component: lazyRouteComponent(() => import("../pages/imports/ImportPage")) });
const jobs = createRoute({ ...below, path: "/jobs", validateSearch: texts("state", "queue", "open"), component: lazyRouteComponent(() => import("../pages/jobs/Jobs")) });
const job = createRoute({ ...below, path: "/jobs/$id", component: lazyRouteComponent(() => import("../pages/jobs/JobPage")) });
const sessions = createRoute({ ...below, path: "/sessions", validateSearch: texts("user", "role"), component: lazyRouteComponent(() => import("../pages/sessions/Sessions")) });
const audit = createRoute({ ...below, path: "/audit", validateSearch: texts("action", "actor", "subject", "api_key", "open"), component: lazyRouteComponent(() => import("../pages/audit/AuditLog")) });
const system = createRoute({ ...below, path: "/system", component: lazyRouteComponent(() => import("../pages/system/System")) });
const keys = createRoute({ ...below, path: "/keys", validateSearch: texts("open", "create"), component: lazyRouteComponent(() => import("../pages/keys/ApiKeys")) });
const addresses = createRoute({ ...below, path: "/addresses", component: lazyRouteComponent(() => import("../pages/addresses/Addresses")) });
const providers = createRoute({ ...below, path: "/providers", component: lazyRouteComponent(() => import("../pages/providers/Providers")) });
const signing = createRoute({ ...below, path: "/signing-keys", component: lazyRouteComponent(() => import("../pages/signing/SigningKeys")) });
const invitations = createRoute({ ...below, path: "/invitations", validateSearch: texts("create"), component: lazyRouteComponent(() => import("../pages/invitations/Invitations")) });
const settings = createRoute({ ...below, path: "/settings", validateSearch: texts("section"), component: lazyRouteComponent(() => import("../pages/settings/Settings")) });
const account = createRoute({ ...below, path: "/account", validateSearch: texts("section"), component: lazyRouteComponent(() => import("../pages/account/Account")) });

const tree = root.addChildren([signIn, callback, invitation, forgot, reset, confirmEmail, signUp, confirmSignUp, shell.addChildren([overview, events, connections, channels, users, user, roles, role, teams, refusal, imports, newImport, oneImport, jobs, job, sessions, audit, keys, addresses, providers, signing, system, invitations, settings, account])]);

export const router = createRouter({ routeTree: tree, defaultPreload: "intent", defaultPreloadStaleTime: 0, scrollRestoration: false });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
