/** Roles: who may do what. The list, the matrix of everything that every role says, and the search for who may. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback } from "react";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/roles";
import { useOffer } from "../../keys/registry";
import { Act } from "../../parts/Act";
import { Pill } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { Inspector, InspectorGhost } from "../../parts/Inspector";
import { Lines } from "../../parts/states";
import { useEdits } from "./draft";
import { countOf } from "./edits";
import css from "./roles.module.css";

const RoleList = lazy(() => import("./RoleList"));
const Matrix = lazy(() => import("./Matrix"));
const WhoCan = lazy(() => import("./WhoCan"));
const RoleDetail = lazy(() => import("./RoleDetail"));
const EditRole = lazy(() => import("./EditRole"));

const VIEWS = ["", "matrix", "who"] as const;
const NAMES = { "": "roles.list", matrix: "roles.matrix", who: "roles.who" } as const;

export default function Roles() {
  const search = useSearch({ from: "/shell/roles" });
  const navigate = useNavigate({ from: "/roles" });
  const may = useMay("roles:manage");
  const mayWho = useMay("users:read");
  const unsaved = countOf(useEdits());
  const { view = "", open, create } = search;
  const change = useCallback((next: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const make = () => change({ create: "1" });
  useOffer(may ? [{ id: "roles.create", keys: "c", label: t("roles.create"), group: t("keys.page"), run: make }] : []);
  const views = VIEWS.filter((name) => name !== "who" || mayWho);
  return (
    <PageFrame
      title={t("nav.roles")}
      name={t("nav.roles")}
      fill
      actions={
        <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={make} why={may ? null : t("lock.manage")}>
          {t("roles.create")}
        </Act>
      }
    >
      <nav className={css.views} aria-label={t("roles.views")}>
        {views.map((name) => (
          <Link key={name} to="/roles" search={name ? { view: name } : {}} aria-current={view === name ? "page" : undefined} activeOptions={EXACTLY}>
            {t(NAMES[name])}
            {name === "matrix" && unsaved > 0 && <Pill tone="warn">{t("matrix.unsaved", { n: unsaved })}</Pill>}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Lines count={8} height={36} />}>
        {view === "matrix" ? <Matrix onOpen={(id) => change({ open: id })} /> : view === "who" && mayWho ? <WhoCan /> : <RoleList open={open} onOpen={(id) => change({ open: id })} />}
      </Suspense>
      {open && (
        <Inspector title={t("roles.one")} onClose={() => change({ open: undefined, tab: undefined })} full={`/roles/${open}`}>
          <Suspense fallback={<InspectorGhost />}>
            <RoleDetail key={open} id={open} tab={search.tab ?? "role"} onTab={(tab) => change({ tab: tab === "role" ? undefined : tab })} onDeleted={() => change({ open: undefined, tab: undefined })} />
          </Suspense>
        </Inspector>
      )}
      <Suspense>{create && <EditRole onClose={(id) => change({ create: undefined, ...(id && { open: id }) })} />}</Suspense>
    </PageFrame>
  );
}

/** A link to the list is not the page while another view is shown. */
const EXACTLY = { exact: true, includeSearch: true };
