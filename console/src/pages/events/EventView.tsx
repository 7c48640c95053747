/** One event in full. */
import { Link } from "@tanstack/react-router";
import { bytes, number, t, tOr } from "../../i18n";
import { Facts, Id, Raw, type Tone } from "../../parts/basics";
import type { Entry } from "./tape";
import css from "./events.module.css";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

export const moment = (at: number): string => clock.format(at);

export const subjectOf = ({ subject }: Entry): string | null => subject && `${subject.kind} ${subject.id}`;

export function toneOf(type: string): Tone {
  if (/\.(deleted|banned|failed|quarantined|revoked)$/.test(type)) return "bad";
  if (/\.(created|enqueued|submitted|recorded|imported)$/.test(type)) return "info";
  if (/\.(succeeded|unbanned)$/.test(type)) return "ok";
  return "idle";
}

const PAGES: Record<string, "/users/$id" | "/jobs/$id" | "/imports/$id"> = { user: "/users/$id", job: "/jobs/$id", import: "/imports/$id" };

function Subject({ entry: { subject } }: { entry: Entry }) {
  if (!subject) return <>–</>;
  const page = PAGES[subject.kind];
  return <span className={css.subject}>{page ? <Link to={page} params={{ id: subject.id }}>{t("audit.of", { kind: tOr(`kind.${subject.kind}`, subject.kind) })}</Link> : subject.kind}<Id value={subject.id} /></span>;
}

export function EventView({ entry }: { entry: Entry }) {
  return (
    <div className={css.event}>
      <Facts
        facts={[
          [t("events.arrived"), <time key="at">{moment(entry.at)}</time>],
          [t("field.channel"), <Id key="channel" value={entry.channel} />],
          [t("field.offset"), entry.offset === undefined ? t("events.unkept") : number(entry.offset)],
          [t("field.type"), entry.type],
          [t("field.subject"), <Subject key="subject" entry={entry} />],
          [t("field.actor"), entry.actor],
          [t("field.size"), bytes(entry.size)],
        ]}
      />
      <Raw value={entry.data} />
    </div>
  );
}
