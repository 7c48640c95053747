import { number, t } from "../../i18n";
import "../../i18n/sessions";
import { Pill } from "../../parts/basics";
import type { Session } from "./queries";
import css from "./sessions.module.css";

/** How many connections are open on it now. */
export function Sockets({ session }: { session: Session }) {
  if (session.sockets === null || session.sockets === undefined) return <span className={css.none}>–</span>;
  if (session.sockets === 0) return <span className={css.none}>{t("sessions.sockets", { n: 0 })}</span>;
  return <Pill tone="info">{t("sessions.sockets", { n: session.sockets, count: number(session.sockets) })}</Pill>;
}
