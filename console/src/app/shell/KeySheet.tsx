/** Every key that works here, read from the registry. */
import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useState } from "react";
import { t } from "../../i18n";
import { setSingleKeys, singleKeys, useCommands } from "../../keys/registry";
import { Keys } from "../../parts/basics";
import css from "./palette.module.css";

export default function KeySheet({ onClose }: { onClose: () => void }) {
  // A list and the item beside it may both answer to a key: told once.
  const commands = useCommands().filter((command, index, all) => command.keys && all.findIndex((other) => other.keys === command.keys && other.label === command.label) === index);
  const [single, setSingle] = useState(singleKeys());
  const turn = (on: boolean) => {
    setSingleKeys(on);
    setSingle(on);
  };
  return (
    <Dialog open onClose={onClose} maxWidth="sm" fullWidth aria-labelledby="keys-title">
      <DialogTitle id="keys-title">{t("keys.title")}</DialogTitle>
      {/* it scrolls, and keys alone must reach all of it */}
      <DialogContent tabIndex={0}>
        <div className={css.sheet}>
          {[...Map.groupBy(commands, (command) => command.group)].map(([group, members]) => (
            <section key={group}>
              <h3>{group}</h3>
              <ul>
                {members.map((command) => (
                  <li key={command.id}>
                    {command.label}
                    <Keys keys={command.keys ?? ""} />
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
      </DialogContent>
      <DialogActions className={css.foot}>
        <FormControlLabel control={<Checkbox checked={single} onChange={(event) => turn(event.target.checked)} />} label={t("keys.single")} />
        <Button variant="outlined" onClick={onClose}>{t("close")}</Button>
      </DialogActions>
    </Dialog>
  );
}
