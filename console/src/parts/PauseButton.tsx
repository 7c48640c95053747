import Button from "@mui/material/Button";
import { t } from "../i18n";
import type { Pause } from "./DataTable";
import { Icon } from "./Icon";

/** `p` as a button, for the mouse and the thumb. */
export function PauseButton({ pause: [paused, set] }: { pause: Pause }) {
  return (
    <Button variant="outlined" onClick={() => set(!paused)} startIcon={<Icon name={paused ? "play" : "pause"} small />}>
      {t(paused ? "list.goOn" : "list.pause")}
    </Button>
  );
}
