/** Everything that can be done, found by typing: pages, acts of this page, people. */
import Dialog from "@mui/material/Dialog";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { useEffect, useState } from "react";
import { api, must } from "../../api/client";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
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
  const groups = Map.groupBy(commands, (command) => command.group);
  const pick = (run: () => void) => () => {
    onClose();
    // After the dialog has given the focus back, so that the act may take it.
    setTimeout(run, 0);
  };
  return (
    <Dialog open onClose={onClose} fullWidth slotProps={{ paper: { className: css.paper, "aria-label": t("palette.title") } }}>
      <Command label={t("palette.title")} loop className={css.palette}>
        <Command.Input autoFocus value={text} onValueChange={setText} placeholder={t("palette.placeholder")} className={css.input} />
        <Command.List className={css.list}>
          <Command.Empty className={css.empty}>{t("palette.empty")}</Command.Empty>
          <People text={text} pick={pick} />
          {[...groups].map(([group, members]) => (
            <Command.Group key={group} heading={group} className={css.group}>
              {members.map((command) => (
                <Command.Item key={command.id} value={`${command.id} ${command.label}`} keywords={[group]} onSelect={pick(command.run)} className={css.item}>
                  <span>{command.label}</span>
                  {command.keys && <Keys keys={command.keys} />}
                </Command.Item>
              ))}
            </Command.Group>
          ))}
        </Command.List>
      </Command>
    </Dialog>
  );
}

/** The hub has found them already: what was typed leads each value, so that the palette's own filter lets them pass. */
function People({ text, pick }: { text: string; pick: (run: () => void) => () => void }) {
  const navigate = useNavigate();
  const may = useMay("users:read");
  const wanted = useLater(text.trim(), 150);
  const { data } = useQuery({
    queryKey: ["find", wanted],
    queryFn: ({ signal }) => must(api.GET("/api/v1/users", { params: { query: { q: wanted, limit: 6 } }, signal })),
    enabled: may && wanted.length >= 2,
    gcTime: 30_000,
    staleTime: 0,
  });
  if (!data?.items.length || wanted !== text.trim()) return null;
  return (
    <Command.Group heading={t("nav.users")} className={css.group}>
      {data.items.map((user) => (
        <Command.Item key={user.id} value={`${wanted} ${user.id}`} onSelect={pick(() => void navigate({ to: "/users/$id", params: { id: user.id } }))} className={css.item}>
          <Face name={user.name} id={user.id} />
          <span>
            {user.name} <small>{user.email ?? ""}</small>
          </span>
          <StatePill state={user.status} />
        </Command.Item>
      ))}
    </Command.Group>
  );
}
