/** How long sessions of the organization last. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import type { SessionTimes } from "../../api/types";
import { queries } from "../../app/queries";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/sessions";
import { holdChannel } from "../../live/store";
import { Card } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { setTimes, timesQuery } from "../sessions/queries";
import { Save } from "./General";
import { settingsQuery } from "./queries";
import { useSaving } from "./useSaving";

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
const IDLE = [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 7 * DAY];
const LIFE = [HOUR, 8 * HOUR, 12 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY];

function words(seconds: number): string {
  if (seconds % DAY === 0) return t("sessions.days", { n: seconds / DAY });
  if (seconds % HOUR === 0) return t("sessions.hours", { n: seconds / HOUR });
  return t("sessions.minutes", { n: Math.round(seconds / MINUTE) });
}

/** What is set may have been set by a program, to any number. */
const options = (known: number[], set: number | null | undefined, none: string) => [
  { value: "", label: none },
  ...[...new Set(set ? [...known, set] : known)].sort((a, b) => a - b).map((seconds) => ({ value: String(seconds), label: words(seconds) })),
];

export default function SessionLife() {
  const { data, error, refetch } = useQuery(timesQuery);
  const maySessions = useMay("sessions:read");
  // there it is told that somebody else changed them
  useEffect(() => (maySessions ? holdChannel("feed:sessions") : undefined), [maySessions]);
  if (error && !data) return <ErrorState problem={asProblem(error)} retry={() => void refetch()} />;
  if (!data) return <Lines count={3} height={44} />;
  return <Form key={JSON.stringify(data)} times={data} />;
}

function Form({ times }: { times: SessionTimes }) {
  const may = useMay("settings:update");
  const [before] = useState({ idle: String(times.idle_seconds ?? ""), life: String(times.absolute_seconds ?? "") });
  const [idle, setIdle] = useState(before.idle);
  const [life, setLife] = useState(before.life);
  const { busy, submit, told, problem } = useSaving(async () => {
    const set = await setTimes({ idle_seconds: idle ? Number(idle) : null, absolute_seconds: life ? Number(life) : null });
    queries.setQueryData(timesQuery.queryKey, set);
    // another version of the settings as a whole
    void queries.invalidateQueries({ queryKey: settingsQuery.queryKey });
  });
  return (
    <Card title={t("sessions.times")}>
      <form className={parts.stack} onSubmit={submit}>
        <p className={parts.note}>{t("sessions.times.text")}</p>
        <Choice label={t("sessions.times.idle")} note={t("sessions.times.idleNote")} value={idle} onValue={setIdle} disabled={!may} error={told("sessions.idle_seconds")} options={options(IDLE, times.idle_seconds, t("sessions.times.installation"))} />
        <Choice label={t("sessions.times.life")} note={t("sessions.times.lifeNote")} value={life} onValue={setLife} disabled={!may} error={told("sessions.absolute_seconds")} options={options(LIFE, times.absolute_seconds, t("sessions.days", { n: 30 }))} />
        <ErrorLine problem={problem} />
        <Save may={may} busy={busy} changed={idle !== before.idle || life !== before.life} />
      </form>
    </Card>
  );
}
