/** Everything about one person: in the inspector and as a page of its own. */
import Button from "@mui/material/Button";
import Tab from "@mui/material/Tab";
import Tabs from "@mui/material/Tabs";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Me, User } from "../../api/types";
import { useMay, useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/people";
import { useOffer } from "../../keys/registry";
import { AlsoHere } from "../../parts/AlsoHere";
import { Face, Raw, StatePill } from "../../parts/basics";
import { ErrorState, Lines } from "../../parts/states";
import { Profile } from "./Profile";
import { userQuery } from "./queries";
import { ActivityTab } from "./tabs";
import { useUserActs } from "./UserActs";
import css from "./users.module.css";

const PersonSessions = lazy(() => import("../sessions/PersonSessions"));
const ErasureNote = lazy(() => import("./ErasureNote"));
const ActionMenu = lazy(() => import("../../parts/ActionMenu"));
const AboutTab = lazy(() => import("./About"));
const AccessTab = lazy(() => import("../access/AccessTab"));

export default function UserDetail({ id, tab, onTab }: { id: string; tab: string; onTab: (tab: string) => void }) {
  const query = useQuery(userQuery(id));
  const user = query.data;
  const maySessions = useMay("sessions:read");
  const mayRoles = useMay("roles:read");
  const mayAbout = useMay("profiles:read");
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!user) return <div className={css.tab}><Lines count={8} height={28} /></div>;
  const tabs = ["profile", ...(mayAbout ? ["about"] : []), ...(mayRoles ? ["access"] : []), ...(maySessions ? ["sessions"] : []), "activity", "raw"];
  const shown = tabs.includes(tab) ? tab : "profile";
  return (
    <article aria-label={user.name}>
      <div className={css.who}>
        <Face name={user.name} id={user.id} />
        <div>
          <b>{user.name}</b>
          <small>{user.masked?.includes("email") ? t("masked") : user.email}</small>
        </div>
        <AlsoHere path={`/users/${id}`} />
        <StatePill state={user.status} />
      </div>
      <Acts user={user} />
      <Suspense>{user.can?.includes("users.erase") && <ErasureNote user={user} />}</Suspense>
      <Tabs className={css.tabBar} value={shown} onChange={(_, value: string) => onTab(value)} aria-label={t("user.title")} variant="scrollable" scrollButtons={false}>
        {tabs.map((name) => (
          <Tab key={name} value={name} id={`tab-${name}`} aria-controls="tab-panel" label={t(`tab.${name}` as "tab.profile")} />
        ))}
      </Tabs>
      <div className={css.tab} role="tabpanel" id="tab-panel" aria-labelledby={`tab-${shown}`}>
        {shown === "profile" && <Profile user={user} />}
        {shown === "access" && <Suspense fallback={<Lines count={6} height={28} />}><AccessTab user={user} /></Suspense>}
        {shown === "about" && <Suspense fallback={<Lines count={6} height={28} />}><AboutTab id={id} /></Suspense>}
        {shown === "sessions" && <Suspense fallback={<Lines count={3} height={44} />}><PersonSessions id={id} name={user.name} /></Suspense>}
        {shown === "activity" && <ActivityTab id={id} />}
        {shown === "raw" && <Raw value={user} />}
      </div>
    </article>
  );
}

/** What is done once in a person's life here stands behind a button, not beside what is done each day. */
const RARE: ReadonlySet<string> = new Set(["factors", "gather", "erase"]);

/** Acts on people that one may hold. */
const ACTING = ["users:update", "users:ban", "users:delete", "users:reset_password", "users:impersonate", "roles:assign"];

/** Why nothing can be done to somebody. */
function whyNone(user: User, me: Me): string {
  if (user.id === me.user.id) return t("user.self");
  return ACTING.some((name) => me.permissions.includes(name) || me.limited.includes(name)) ? t("user.above") : t("user.lookOnly");
}

function Acts({ user }: { user: User }) {
  const { acts, questions } = useUserActs(user);
  const bar = useRef<HTMLDivElement>(null);
  const [menu, setMenu] = useState<HTMLElement | null>(null);
  const [more, setMore] = useState<HTMLElement | null>(null);
  const rare = acts.filter((act) => RARE.has(act.id));
  useOffer(acts.length > 0 ? [{ id: "user.acts", keys: ".", label: t("keys.acts"), group: t("keys.page"), run: () => setMenu(bar.current) }] : []);
  const none = whyNone(user, useMe());
  if (user.gone) return <p className={css.acts}>{t("user.gone")}</p>;
  if (acts.length === 0) return <p className={css.acts}>{none}</p>;
  return (
    <div className={css.acts} ref={bar}>
      {acts.filter((act) => !RARE.has(act.id)).map((act) => (
        <Button key={act.id} variant="outlined" color={act.danger ? "error" : "primary"} onClick={act.run}>{act.label}</Button>
      ))}
      {rare.length > 0 && <Button variant="outlined" aria-haspopup="menu" aria-expanded={more !== null} onClick={(event) => setMore(event.currentTarget)}>{t("act.more")}</Button>}
      <Suspense>{more && <ActionMenu anchor={more} actions={rare} onClose={() => setMore(null)} />}</Suspense>
      <Suspense>{menu && <ActionMenu anchor={menu} actions={acts} onClose={() => setMenu(null)} />}</Suspense>
      {questions}
    </div>
  );
}
