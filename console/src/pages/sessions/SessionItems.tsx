/** The sessions of one person, each with its end: on their own page and on the person's. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import { t } from "../../i18n";
import "../../i18n/sessions";
import { holdChannel } from "../../live/store";
import { Pill, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { endSession, type Session, sessionsQuery } from "./queries";
import css from "./sessions.module.css";
import { Sockets } from "./Sockets";
import { place, program } from "./words";

export function SessionItems({ user, mayEnd }: { user: string; mayEnd: boolean }) {
  const query = useQuery(sessionsQuery(user));
  const [ending, setEnding] = useState<Session | null>(null);
  useEffect(() => holdChannel(`sessions:${user}`), [user]);
  const end = async () => {
    if (ending) await endSession(ending);
    toast(t("sessions.ended"));
    await query.refetch();
  };
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={3} height={44} />;
  const items = query.data.items.filter((session) => !session.over);
  if (items.length === 0) return <EmptyState icon="key" title={t("sessions.empty.title")} text={t("sessions.empty.text")} />;
  return (
    <>
      <ul className={css.items} data-testid="sessions">
        {items.map((session) => (
          <li key={session.id}>
            <div>
              <span title={session.user_agent ?? undefined}>{program(session)}</span>
              <small>
                {[session.ip, place(session)].filter(Boolean).join(" · ")} · {t("sessions.began")} <Time at={session.created_at} />
              </small>
            </div>
            <Sockets session={session} />
            {session.current ? <Pill tone="ok">{t("sessions.current")}</Pill> : <span className={css.seen}><Time at={session.last_seen_at} /></span>}
            {mayEnd && !session.current && <Button variant="outlined" color="error" onClick={() => setEnding(session)}>{t("sessions.end")}</Button>}
          </li>
        ))}
      </ul>
      <ConfirmWithImpact open={ending !== null} onClose={() => setEnding(null)} title={t("sessions.endTitle")} text={ending ? t("sessions.endText", { program: program(ending) }) : ""} impact={ending?.sockets ? t("sessions.endImpact", { n: ending.sockets }) : undefined} action={t("sessions.end")} run={end} />
    </>
  );
}
