/** A menu behind a button; loaded when it is first opened. */
import ListItemIcon from "@mui/material/ListItemIcon";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import { Icon, type IconName } from "./Icon";
import css from "./parts.module.css";

export interface MenuAction {
  id: string;
  label: string;
  icon?: IconName;
  /** Makes the entry a box to tick; the menu then stays open. */
  checked?: boolean;
  /** Takes something away: told by its colour, as on a button. */
  danger?: boolean;
  run: () => void;
}

export default function ActionMenu({ anchor, actions, onClose }: { anchor: HTMLElement; actions: MenuAction[]; onClose: () => void }) {
  return (
    <Menu anchorEl={anchor} open onClose={onClose} anchorOrigin={{ vertical: "bottom", horizontal: "right" }} transformOrigin={{ vertical: "top", horizontal: "right" }}>
      {actions.map((action) => (
        <MenuItem
          key={action.id}
          className={action.danger ? css.danger : undefined}
          {...(action.checked !== undefined && { role: "menuitemcheckbox", "aria-checked": action.checked })}
          onClick={() => {
            if (action.checked === undefined) onClose();
            action.run();
          }}
        >
          <ListItemIcon>{action.icon ? <Icon name={action.icon} /> : action.checked && <Icon name="check" />}</ListItemIcon>
          {action.label}
        </MenuItem>
      ))}
    </Menu>
  );
}
