/** One item beside its list. Not modal: the list stays usable, j and k move on. */
import IconButton from "@mui/material/IconButton";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { t } from "../i18n";
import { useOffer } from "../keys/registry";
import { Hint } from "./basics";
import { Icon } from "./Icon";
import { Lines } from "./states";
import css from "./inspector.module.css";

export function Inspector({ title, full, onClose, children }: {
  title: string;
  /** The address of the same item as a page of its own. */
  full?: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useOffer([{ id: "inspector.close", keys: "escape", label: t("close"), group: t("keys.page"), run: onClose, keyOnly: true }]);
  return (
    <aside ref={box} className={css.inspector} data-inspector="" aria-label={title} tabIndex={-1}>
      <header className={css.head}>
        <h2>{title}</h2>
        {full && (
          <Hint text={t("inspector.full")} keys="shift+enter">
            <IconButton component={Link} to={full as "/"} aria-label={t("inspector.full")}>
              <Icon name="expand" />
            </IconButton>
          </Hint>
        )}
        <Hint text={t("close")} keys="escape">
          <IconButton onClick={onClose} aria-label={t("close")}>
            <Icon name="close" />
          </IconButton>
        </Hint>
      </header>
      <div className={css.body}>{children}</div>
    </aside>
  );
}

/** What stands in it while its code or its item is being read. */
export const InspectorGhost = () => (
  <div className={css.ghost}>
    <Lines count={8} height={28} />
  </div>
);
