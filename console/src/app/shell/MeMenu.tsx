import ListItemIcon from "@mui/material/ListItemIcon";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Face } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { leaveNow } from "../leave";
import css from "./shell.module.css";

export function MeMenu({ onKeys }: { onKeys: () => void }) {
  const me = useMe();
  const navigate = useNavigate();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const pick = (act: () => void) => () => {
    setAnchor(null);
    act();
  };
  return (
    <>
      <button type="button" className={css.me} aria-haspopup="menu" aria-expanded={anchor !== null} aria-label={t("me.menu", { name: me.user.name })} onClick={(event) => setAnchor(event.currentTarget)}>
        <Face name={me.user.name} id={me.user.id} />
      </button>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)} anchorOrigin={{ vertical: "bottom", horizontal: "right" }} transformOrigin={{ vertical: "top", horizontal: "right" }}>
        <MenuItem onClick={pick(() => void navigate({ to: "/account" }))}>
          <ListItemIcon><Icon name="account" /></ListItemIcon>
          {t("nav.account")}
        </MenuItem>
        <MenuItem onClick={pick(onKeys)}>
          <ListItemIcon><Icon name="keyboard" /></ListItemIcon>
          {t("keys.title")}
        </MenuItem>
        <MenuItem onClick={pick(() => void leaveNow())}>
          <ListItemIcon><Icon name="out" /></ListItemIcon>
          {t("signout")}
        </MenuItem>
      </Menu>
    </>
  );
}
