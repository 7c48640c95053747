/** What may be done to one connection: buttons in its detail, a menu beside its row (`.`). */
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { Connection } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import type { MenuAction } from "../../parts/ActionMenu";
import { RowMenu } from "../../parts/RowMenu";
import { toast } from "../../parts/toast";
import { AskDisconnect } from "./Disconnect";
import { impactOf } from "./DisconnectMany";
import { type ConnectionRow, disconnect, holder } from "./queries";

interface Acts {
  acts: MenuAction[];
  /** The dialog behind the act; to be rendered beside them. */
  question: ReactNode;
  asking: boolean;
}

export function useConnectionActs(connection: Pick<Connection, "client" | "user" | "user_name" | "application" | "channels">): Acts {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const may = useMay("live:disconnect");
  const mayUsers = useMay("users:read");
  const name = holder(connection, t("connections.nobody"));
  const { user } = connection;
  const acts: MenuAction[] = [
    ...(user ? [{ id: "theirs", label: t("connections.theirs"), icon: "connections", run: () => void navigate({ to: "/connections", search: { user } }) } as const] : []),
    ...(user && !connection.application && mayUsers ? [{ id: "person", label: t("audit.of", { kind: t("kind.user") }), icon: "users", run: () => void navigate({ to: "/users/$id", params: { id: user } }) } as const] : []),
    ...(may ? [{ id: "disconnect", label: t("act.disconnect"), icon: "ban", run: () => setAsking(true) } as const] : []),
  ];
  const run = async (reason: string, reconnect: boolean) => {
    await disconnect(connection, reason, reconnect);
    toast(t("disconnect.done", { name }));
  };
  const question = <AskDisconnect open={asking} onClose={() => setAsking(false)} title={t("disconnect.one", { name })} impact={impactOf([connection])} run={run} />;
  return { acts, question, asking };
}

export default function ConnectionMenu({ row, anchor, onOpen, onDone }: { row: ConnectionRow; anchor: HTMLElement; onOpen: () => void; onDone: () => void }) {
  const { acts, question, asking } = useConnectionActs(row);
  const open: MenuAction = { id: "open", label: t("act.open"), icon: "expand", run: onOpen };
  return <RowMenu anchor={anchor} actions={[open, ...acts]} questions={question} asking={asking} onDone={onDone} />;
}
