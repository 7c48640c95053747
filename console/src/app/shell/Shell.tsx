/** The frame around every page: navigation by permission, the search box, the connection pill, the dock. */
import IconButton from "@mui/material/IconButton";
import Skeleton from "@mui/material/Skeleton";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { opening, useMe } from "../../auth/session";
import { shortNumber, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { keepTyping } from "../../keys/typeahead";
import { startLive } from "../../live/store";
import { Hint, Keys } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { takeBack, useUndo } from "../../parts/undo";
import { usePhone } from "../../parts/usePhone";
import { applyScheme, shownScheme } from "../../theme/scheme";
import mark from "../../theme/mark.svg";
import { linkEnded } from "../leave";
import { useUpdate } from "../update";
import { ConnectionPill } from "./ConnectionPill";
import { MeMenu } from "./MeMenu";
import { overviewQuery } from "./overviewQuery";
import { type Page, visibleGroups } from "./pages";
import css from "./shell.module.css";
import { Proving } from "./Proving";

const Palette = lazy(() => import("./Palette"));
const KeySheet = lazy(() => import("./KeySheet"));
const Sheet = lazy(() => import("./Sheet"));
const ActingBanner = lazy(() => import("./ActingBanner"));
const Dock = lazy(() => import("../../pages/imports/Dock"));

export function Shell() {
  const me = useMe();
  // Before the pages below read anything. Who must change the password first gets no live link from the hub yet.
  useMemo(() => !me.must_change_password && startLive(me.user.id, linkEnded), [me.user.id, me.must_change_password]);
  const phone = usePhone();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [sheet, setSheet] = useState(false);
  const [palette, setPalette] = useState(false);
  const [keys, setKeys] = useState(false);
  const [, repaint] = useState(0);
  useEffect(() => setSheet(false), [path]);

  const update = useUpdate();
  const undo = useUndo();
  const groups = me.must_change_password ? [] : visibleGroups(opening(me));
  const turn = () => {
    applyScheme(shownScheme() === "dark" ? "light" : "dark");
    repaint((n) => n + 1);
  };
  const find = () => {
    if (!palette) keepTyping();
    setPalette(true);
  };
  const go = (page: Page) => ({ id: `go.${page.letter}`, keys: `g ${page.letter}`, label: t(page.name), group: t("keys.go"), run: () => void navigate({ to: page.to }) });
  useOffer([
    ...groups.flatMap((group) => group.pages.map(go)),
    { id: "go.m", keys: "g m", label: t("nav.account"), group: t("keys.go"), run: () => void navigate({ to: "/account" }) },
    { id: "palette", keys: "mod+k", label: t("palette.title"), group: t("keys.general"), run: find, keyOnly: true, everywhere: true },
    { id: "keys", keys: "?", label: t("keys.title"), group: t("keys.general"), run: () => setKeys(true) },
    ...(undo ? [{ id: "undo", keys: "u", label: t("undo.key", { what: undo.done }), group: t("keys.general"), run: () => void takeBack(undo) }] : []),
    { id: "scheme", label: t("scheme.turn"), group: t("keys.general"), run: turn },
  ]);

  const dark = shownScheme() === "dark";
  return (
    <div className={`${css.shell} ${me.impersonation ? css.withActing : ""}`}>
      <a className={css.skip} href="#main">{t("skip")}</a>
      {!phone && <Side groups={groups} />}
      <header className={css.bar}>
        {phone && (
          <IconButton onClick={() => setSheet(true)} aria-label={t("nav.open")}>
            <Icon name="menu" />
          </IconButton>
        )}
        <button type="button" className={css.find} onClick={find}>
          <Icon name="search" small />
          <span className={phone ? "visually-hidden" : undefined}>{t("palette.placeholder")}</span>
          {!phone && <Keys keys="mod+k" />}
        </button>
        <span className={css.gap} />
        {update && (
          <Hint text={t("update.more")}>
            <button type="button" className={`${css.link} ${css.update}`} onClick={() => location.reload()}>{t("update.ready")}</button>
          </Hint>
        )}
        {!me.must_change_password && <ConnectionPill />}
        <Hint text={t("scheme.turn")}>
          <IconButton onClick={turn} aria-label={t("scheme.turn")}>
            <Icon name={dark ? "sun" : "moon"} />
          </IconButton>
        </Hint>
        <MeMenu onKeys={() => setKeys(true)} />
      </header>
      {me.impersonation && (
        <Suspense>
          <ActingBanner me={me} acting={me.impersonation} />
        </Suspense>
      )}
      <main className={css.main} id="main" tabIndex={-1}>
        <Outlet />
      </main>
      <Suspense>
        {phone && sheet && (
          <Sheet onClose={() => setSheet(false)}>
            <Side groups={groups} sheet />
          </Sheet>
        )}
        {palette && <Palette onClose={() => setPalette(false)} />}
        {keys && <KeySheet onClose={() => setKeys(false)} />}
        <Proving />
        {!me.must_change_password && (me.permissions.includes("imports:read") || me.permissions.includes("jobs:read")) && <Dock />}
      </Suspense>
    </div>
  );
}

function Side({ groups, sheet }: { groups: ReturnType<typeof visibleGroups>; sheet?: boolean }) {
  const me = useMe();
  const counters = useQuery({ ...overviewQuery, enabled: !me.must_change_password && me.permissions.includes("overview:read") }).data?.counters;
  return (
    <nav className={`${css.side} ${sheet ? css.sheet : ""}`} aria-label={t("nav.label")}>
      <Link to="/" className={css.brand}>
        <img src={mark} alt="" className={css.mark} />
        <span>
          Signalbox
          {me.organization.name !== "Signalbox" && <small>{me.organization.name}</small>}
        </span>
      </Link>
      {groups.map((group) => (
        <div key={group.name} className={css.group}>
          <h2>{t(group.name)}</h2>
          {group.pages.map((page) => (
            <Link key={page.to} to={page.to} className={css.item} activeOptions={{ exact: page.to === "/", includeSearch: false }} activeProps={{ "aria-current": "page" }}>
              <Icon name={page.icon} />
              <span>{t(page.name)}</span>
              {counters && page.count && page.count(counters) > 0 && <small className={css.count}>{shortNumber(page.count(counters))}</small>}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

/** The frame while it is not yet known who is here. */
export function ShellGhost() {
  return (
    <div className={css.shell} aria-busy="true">
      <div className={css.side}>
        <div className={css.brand}>
          <img src={mark} alt="" className={css.mark} />
          Signalbox
        </div>
      </div>
      <div className={css.bar} />
      <main className={css.main}>
        <div className={css.page}>
          <Skeleton variant="rounded" width={180} height={28} />
          <Skeleton variant="rounded" height={320} />
        </div>
      </main>
    </div>
  );
}
