import Button from "@mui/material/Button";
import { lazy, Suspense, useState } from "react";
import { t } from "../../i18n";
import type { BulkAction } from "./bulk";

const ActionMenu = lazy(() => import("../../parts/ActionMenu"));

export const actName = (action: BulkAction): string => (action === "unban" ? t("many.lift") : t(`many.${action}`));

/** The acts that most people look for stand as buttons, the others behind one. */
const SHOWN: readonly BulkAction[] = ["ban", "unban", "delete"];
const DANGEROUS: readonly BulkAction[] = ["ban", "suspend", "delete"];

export function BulkMenu({ offered, onAct }: { offered: BulkAction[]; onAct: (action: BulkAction) => void }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const more = offered.filter((action) => !SHOWN.includes(action));
  return (
    <>
      {offered.filter((action) => SHOWN.includes(action)).map((action) => (
        <Button key={action} variant="outlined" color={DANGEROUS.includes(action) ? "error" : "primary"} onClick={() => onAct(action)}>
          {actName(action)}
        </Button>
      ))}
      {more.length > 0 && (
        <Button variant="outlined" aria-haspopup="menu" aria-expanded={anchor !== null} onClick={(event) => setAnchor(event.currentTarget)}>
          {t("many.more")}
        </Button>
      )}
      <Suspense>{anchor && <ActionMenu anchor={anchor} onClose={() => setAnchor(null)} actions={more.map((action) => ({ id: action, label: actName(action), run: () => onAct(action) }))} />}</Suspense>
    </>
  );
}
