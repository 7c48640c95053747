import Drawer from "@mui/material/Drawer";
import type { ReactNode } from "react";
import { t } from "../../i18n";

/** The side bar of a narrow screen. */
export default function Sheet({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  return (
    <Drawer open onClose={onClose} slotProps={{ paper: { "aria-label": t("nav.label") } }}>
      {children}
    </Drawer>
  );
}
