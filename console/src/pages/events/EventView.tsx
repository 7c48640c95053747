/** One event in full. */
import { bytes, number, t } from "../../i18n";
import { Facts, Id, Raw, type Tone } from "../../parts/basics";
import { clockTime } from "../../parts/times";
import { pageOf, SubjectLink } from "../../parts/SubjectLink";
import type { Entry } from "./tape";
import css from "./events.module.css";

export const subjectOf = ({ subject }: Entry): string | null => subject && `${subject.kind} ${subject.name ?? subject.id}`;

export function toneOf(type: string): Tone {
  if (/\.(deleted|banned|failed|quarantined|revoked)$/.test(type)) return "bad";
  if (/\.(created|enqueued|submitted|recorded|imported)$/.test(type)) return "info";
  if (/\.(succeeded|unbanned)$/.test(type)) return "ok";
  return "idle";
}

export function EventView({ entry }: { entry: Entry }) {
  const { subject } = entry;
  return (
    <div className={css.event}>
      <Facts
        facts={[
          [t("events.arrived"), <time key="at">{clockTime(entry.at)}</time>],
          [t("field.channel"), <Id key="channel" value={entry.channel} />],
          [t("field.offset"), entry.offset === undefined ? t("events.unkept") : number(entry.offset)],
          [t("field.type"), entry.type],
          [t("field.subject"), subject && <span key="subject" className={css.subject}>{pageOf(subject.kind, subject.id) ? <SubjectLink {...subject} /> : subjectOf(entry)}<Id value={subject.id} /></span>],
          [t("field.actor"), entry.actor],
          [t("field.size"), bytes(entry.size)],
        ]}
      />
      <Raw value={entry.data} />
    </div>
  );
}
