/** Saved views of a page, in its toolbar: choose one, keep the present one, change what is kept. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/custody";
import { holdChannel } from "../../live/store";
import type { MenuAction } from "../ActionMenu";
import { kept } from "./kept";
import { type View, viewsQuery } from "./queries";

const ActionMenu = lazy(() => import("../ActionMenu"));
const SaveView = lazy(() => import("./SaveView"));
const ManageViews = lazy(() => import("./ManageViews"));

export default function Views({ page }: { page: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const search = useRouterState({ select: (state) => state.location.search }) as Record<string, unknown>;
  const now = kept(search);
  useEffect(() => holdChannel("feed:saved_filters"), []);
  const { data } = useQuery(viewsQuery(page));
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [asked, setAsked] = useState<"save" | "manage" | null>(null);
  const show = (query: string, replace = false) => void navigate({ to: ".", search: Object.fromEntries(new URLSearchParams(query)) as never, replace });

  // Once for each time the page is opened with nothing asked: who takes the filters away then is not given them back.
  const opened = useRef(now !== "" || search.open !== undefined);
  useEffect(() => {
    if (!data || opened.current) return;
    opened.current = true;
    const chosen = data.items.find((view) => view.is_default);
    if (chosen) show(chosen.query, true);
  }, [data]);

  const items = data?.items ?? [];
  const current = items.find((view) => view.query === now && now !== "");
  const name = (view: View) => (view.owner_id === me.user.id ? view.name : t("view.of", { name: view.name, owner: view.owner_name }));
  const actions: MenuAction[] = [
    { id: "all", label: t("view.all"), icon: now === "" ? "check" : undefined, run: () => show("") },
    ...items.map((view) => ({ id: view.id, label: name(view), icon: view === current ? ("check" as const) : undefined, run: () => show(view.query) })),
    { id: "save", label: `${t("view.save")}…`, icon: "plus", run: () => setAsked("save") },
    ...(items.length > 0 ? [{ id: "manage", label: `${t("view.manage")}…`, icon: "edit" as const, run: () => setAsked("manage") }] : []),
  ];
  return (
    <>
      <Button variant="outlined" aria-haspopup="menu" aria-expanded={anchor !== null} onClick={(event) => setAnchor(event.currentTarget)} data-testid="views">
        {current?.name ?? t("view.menu")}
      </Button>
      <Suspense>
        {anchor && <ActionMenu anchor={anchor} onClose={() => setAnchor(null)} actions={actions} />}
        {asked === "save" && <SaveView page={page} query={now} onClose={() => setAsked(null)} />}
        {asked === "manage" && <ManageViews views={items} query={now} onClose={() => setAsked(null)} />}
      </Suspense>
    </>
  );
}
