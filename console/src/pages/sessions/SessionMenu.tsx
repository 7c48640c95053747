/** What can be done about a session and its person, as a menu beside the row. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import type { MenuAction } from "../../parts/ActionMenu";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { RowMenu } from "../../parts/RowMenu";
import { toast } from "../../parts/toast";
import EndAll from "./EndAll";
import { endSession, type Session } from "./queries";
import { program } from "./words";

export default function SessionMenu({ row, anchor, onDone, onOnly }: { row: Session; anchor: HTMLElement; onDone: () => void; onOnly: () => void }) {
  const navigate = useNavigate();
  const [mayEnd, mayUsers] = [useMay("sessions:revoke"), useMay("users:read")];
  const [asked, setAsked] = useState<"one" | "all" | null>(null);
  const name = row.user.name ?? row.user.id;
  const actions: MenuAction[] = [{ id: "only", label: t("sessions.onlyTheirs"), icon: "search", run: onOnly }];
  if (mayUsers) actions.push({ id: "user", label: t("sessions.openUser"), icon: "users", run: () => void navigate({ to: "/users/$id", params: { id: row.user.id } }) });
  if (mayEnd && !row.over) {
    if (!row.current) actions.push({ id: "end", label: t("sessions.endOne"), icon: "out", run: () => setAsked("one") });
    actions.push({ id: "all", label: t("sessions.endTheirs"), icon: "ban", run: () => setAsked("all") });
  }
  const end = async () => {
    await endSession(row);
    toast(t("sessions.ended"));
  };
  const questions = (
    <>
      <ConfirmWithImpact open={asked === "one"} onClose={() => setAsked(null)} title={t("sessions.endTitle")} text={t("sessions.endText", { program: program(row) })} impact={row.sockets ? t("sessions.endImpact", { n: row.sockets }) : undefined} action={t("sessions.end")} run={end} />
      <EndAll whose={asked === "all" ? { user: row.user.id } : null} name={name} onClose={() => setAsked(null)} />
    </>
  );
  return <RowMenu anchor={anchor} actions={actions} questions={questions} asking={asked !== null} onDone={onDone} />;
}
