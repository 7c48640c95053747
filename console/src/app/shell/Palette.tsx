/** Everything that can be done, found by typing: pages, acts of this page, people. */
import Dialog from "@mui/material/Dialog";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { useEffect, useState } from "react";
import { api, must } from "../../api/client";
import { opening, useMe } from "../../auth/session";
import { t } from "../../i18n";
import { FOUND, rank, RANK_FOUND } from "./rank";
import { useCommands } from "../../keys/registry";
import { takeTyped } from "../../keys/typeahead";
import { Face, Keys, StatePill, useLater } from "../../parts/basics";
import css from "./palette.module.css";

export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const typed = takeTyped();
    if (typed) setText(typed);
  }, []);
  const commands = useCommands().filter((command) => !command.keyOnly);
  const groups = [...Map.groupBy(commands, (command) => command.group)];
  // The palette's parts put the members of a group in order, not the groups.
  const best = ([group, members]: (typeof groups)[number]) => Math.max(...members.map((command) => rank(command.id, text, [command.label, group])));
  const ordered = text.trim() ? groups.toSorted((a, b) => best(b) - best(a)) : groups;
  const above = text.trim() ? ordered.filter((group) => best(group) > RANK_FOUND) : [];
  const pick = (run: () => void) => () => {
    onClose();
    // After the dialog has given the focus back, so that the act may take it.
    setTimeout(run, 0);
  };
  const show = ([group, members]: (typeof groups)[number]) => (
    <Command.Group key={group} heading={group} className={css.group}>
      {members.map((command) => (
        <Command.Item key={command.id} value={command.id} keywords={[command.label, group]} onSelect={pick(command.run)} className={css.item}>
          <span>{command.label}</span>
          {command.keys && <Keys keys={command.keys} />}
        </Command.Item>
      ))}
    </Command.Group>
  );
  return (
    <Dialog open onClose={onClose} fullWidth slotProps={{ paper: { className: css.paper, "aria-label": t("palette.title") } }}>
      <Command label={t("palette.title")} loop filter={rank} className={css.palette}>
        <Command.Input autoFocus value={text} onValueChange={setText} placeholder={t("palette.placeholder")} className={css.input} />
        <Command.List className={css.list}>
          <Command.Empty className={css.empty}>{t("palette.empty")}</Command.Empty>
          {[
            ...above.map(show),
            <People key="people" text={text} pick={pick} />,
            ...ordered.filter((group) => !above.includes(group)).map(show),
          ]}
        </Command.List>
      </Command>
    </Dialog>
  );
}

/** An id, an e-mail address or an IP address in full: the hub knows by these what a search by letters would not find. */
const WHOLE = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^\s@]+@[^\s@]+|\d{1,3}(\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]+)$/i;
/** How an API key begins. Should more of one be pasted, the rest stays here. */
const KEY = /^sbx_[a-z]+_[0-9A-Za-z]{4}/;

/** The hub has found them already: `FOUND` lets them pass the palette's own filter. */
function People({ text, pick }: { text: string; pick: (run: () => void) => () => void }) {
  const navigate = useNavigate();
  const me = useMe();
  const may = opening(me).includes("users:read");
  const mayFind = may || me.permissions.some((name) => name === "sessions:read" || name === "api_keys:read");
  const wanted = useLater(text.trim(), 150);
  const asked = { gcTime: 30_000, staleTime: 0 };
  const key = KEY.exec(wanted)?.[0];
  const q = key ?? wanted;
  const exact = useQuery({
    ...asked,
    queryKey: ["find", "exact", q],
    queryFn: ({ signal }) => must(api.GET("/api/v1/find", { params: { query: { q } }, signal })),
    enabled: mayFind && (key !== undefined || WHOLE.test(wanted)),
  });
  const near = useQuery({
    ...asked,
    queryKey: ["find", "near", wanted],
    queryFn: ({ signal }) => must(api.GET("/api/v1/users", { params: { query: { q: wanted, limit: 6 } }, signal })),
    enabled: may && key === undefined && wanted.length >= 2,
  });
  if (wanted !== text.trim()) return null;
  const users = near.data?.items ?? [];
  const shown = new Set(users.map((user) => user.id));
  const items = exact.data?.items ?? [];
  const found = items.filter((item) => item.kind === "user" && !shown.has(item.id));
  const sessions = items.filter((item) => item.kind === "session");
  const keys = items.filter((item) => item.kind === "api_key");
  const open = (id: string) => pick(() => void navigate({ to: "/users/$id", params: { id } }));
  return (
    <>
      {sessions.length > 0 && (
        <Command.Group heading={t("nav.sessions")} className={css.group}>
          {sessions.map((item) => (
            <Command.Item key={item.id} value={item.id} keywords={[FOUND]} onSelect={pick(() => void navigate({ to: "/sessions", search: { user: item.user } as never }))} className={css.item}>
              <Face name={item.label} id={item.user} />
              <span>
                {item.label || item.user} <small>{wanted}</small>
              </span>
            </Command.Item>
          ))}
        </Command.Group>
      )}
      {keys.length > 0 && (
        <Command.Group heading={t("nav.apiKeys")} className={css.group}>
          {keys.map((item) => (
            <Command.Item key={item.id} value={item.id} keywords={[FOUND]} onSelect={pick(() => void navigate({ to: "/keys", search: { open: item.id } as never }))} className={css.item}>
              <span>
                {item.label} <small>{q}</small>
              </span>
            </Command.Item>
          ))}
        </Command.Group>
      )}
      {users.length + found.length > 0 && (
        <Command.Group heading={t("nav.users")} className={css.group}>
          {found.map((item) => (
            <Command.Item key={item.id} value={item.id} keywords={[FOUND]} onSelect={open(item.id)} className={css.item}>
              <Face name={item.label} id={item.id} />
              <span>
                {item.label} <small>{wanted}</small>
              </span>
            </Command.Item>
          ))}
          {users.map((user) => (
            <Command.Item key={user.id} value={user.id} keywords={[FOUND]} onSelect={open(user.id)} className={css.item}>
              <Face name={user.name} id={user.id} />
              <span>
                {user.name} <small>{user.email ?? ""}</small>
              </span>
              <StatePill state={user.status} />
            </Command.Item>
          ))}
        </Command.Group>
      )}
    </>
  );
}
