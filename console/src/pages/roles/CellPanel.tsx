/** One cell opened: what the role says, what comes of it and from where, and what may be said instead, or why not. */
import Popover from "@mui/material/Popover";
import type { Permission, Role } from "../../api/types";
import { roleName, t } from "../../i18n";
import type { Edit } from "./edits";
import { sourceWords } from "./Gives";
import { Mark } from "./Mark";
import { choicesFor, type Lock, type RoleModel, type Says, saying } from "./model";
import css from "./roles.module.css";
import { lockWords, saysWords } from "./words";

interface Props {
  anchor: HTMLElement;
  role: Role;
  roles: Role[];
  permission: Permission;
  lock: Lock;
  before: RoleModel;
  after: RoleModel;
  held: ReadonlySet<string>;
  edit?: Edit;
  say: (role: string, permission: string, says: Says | null) => void;
  onClose: () => void;
}

export default function CellPanel({ anchor, role, roles, permission, lock, before, after, held, edit, say, onClose }: Props) {
  const now = saying(role.statements, permission.name);
  const [was, is] = [before.cell(role.id, permission.name), after.cell(role.id, permission.name)];
  const have = held.has(permission.name);
  const choices = choicesFor(permission, { says: now }, have);
  const shut = choices.some((choice) => !choice.open);
  const why = lockWords(lock);
  return (
    <Popover open anchorEl={anchor} onClose={onClose} anchorOrigin={{ vertical: "bottom", horizontal: "center" }} transformOrigin={{ vertical: "top", horizontal: "center" }} slotProps={{ paper: { className: css.panel, role: "dialog", "aria-modal": true, "aria-labelledby": "cell-title" } }}>
      <h2 id="cell-title">
        {roleName(role)} · <code>{permission.name}</code>
      </h2>
      <p>{permission.description}</p>
      <p className={css.comes}>
        <Mark state={is.state} on={is.gives} />
        <span>
          {sourceWords(is, roles)}
          {(was.state !== is.state || was.gives !== is.gives) && <small>{t("cell.now", { words: sourceWords(was, roles) })}</small>}
        </span>
      </p>
      {edit && edit.was !== now && now !== edit.to && <p className={css.warn}>{t("cell.theirs", { words: saysWords(now) })}</p>}
      {why ? (
        <p className={css.note}>{why}</p>
      ) : (
        <fieldset className={css.says}>
          <legend>{t("cell.says")}</legend>
          {choices.map(({ says, open }) => (
            <label key={says ?? ""} className={open ? undefined : css.shut}>
              <input
                type="radio"
                name="says"
                checked={is.says === says}
                disabled={!open}
                autoFocus={is.says === says}
                onChange={() => say(role.id, permission.name, says)}
                // By the pointer a choice is the end of it; with the arrows of the keyboard it may be one of several.
                onClick={(event) => event.detail > 0 && event.clientX + event.clientY > 0 && onClose()}
              />
              {saysWords(says)}
            </label>
          ))}
          {shut && <p className={css.note}>{t(now === "deny" ? "cell.lackLift" : "cell.lack", { permission: permission.name })}</p>}
        </fieldset>
      )}
    </Popover>
  );
}
