import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Face } from "../../parts/basics";
import { leaveNow } from "../leave";
import css from "./shell.module.css";

const ActionMenu = lazy(() => import("../../parts/ActionMenu"));

export function MeMenu({ onKeys }: { onKeys: () => void }) {
  const me = useMe();
  const navigate = useNavigate();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  return (
    <>
      <button type="button" className={css.me} aria-haspopup="menu" aria-expanded={anchor !== null} aria-label={t("me.menu", { name: me.user.name })} onClick={(event) => setAnchor(event.currentTarget)}>
        <Face name={me.user.name} id={me.user.id} />
      </button>
      <Suspense>
        {anchor && (
          <ActionMenu
            anchor={anchor}
            onClose={() => setAnchor(null)}
            actions={[
              { id: "account", label: t("nav.account"), icon: "account", run: () => void navigate({ to: "/account" }) },
              { id: "keys", label: t("keys.title"), icon: "keyboard", run: onKeys },
              // who acts as somebody ends that first: the red line above says how
              ...(me.impersonation ? [] : [{ id: "out", label: t("signout"), icon: "out" as const, run: () => void leaveNow() }]),
            ]}
          />
        )}
      </Suspense>
    </>
  );
}
