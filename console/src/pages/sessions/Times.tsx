/** How long sessions of the organization last. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { SessionTimes } from "../../api/types";
import { queries } from "../../app/queries";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { setTimes, timesQuery } from "./queries";

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

export default function Times({ onClose }: { onClose: () => void }) {
  const query = useQuery(timesQuery);
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="times-title">
      <DialogTitle id="times-title">{t("sessions.times")}</DialogTitle>
      {query.error && <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />}
      {!query.data && !query.error && <DialogContent><Lines count={3} height={44} /></DialogContent>}
      {query.data && <Form times={query.data} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ times, onClose }: { times: SessionTimes; onClose: () => void }) {
  const may = useMay("settings:update");
  const [idle, setIdle] = useState(String(times.idle_seconds ?? ""));
  const [life, setLife] = useState(String(times.absolute_seconds ?? ""));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const set = await setTimes({ idle_seconds: idle ? Number(idle) : null, absolute_seconds: life ? Number(life) : null });
      queries.setQueryData(timesQuery.queryKey, set);
      toast(t("sessions.times.done"));
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <DialogContent>
        <div className={parts.stack}>
          <p className={parts.muted}>{t("sessions.times.text")}</p>
          <Choice label={t("sessions.times.idle")} note={t("sessions.times.idleNote")} value={idle} onValue={setIdle} disabled={!may} options={options(IDLE, times.idle_seconds, t("sessions.times.installation"))} />
          <Choice label={t("sessions.times.life")} note={t("sessions.times.lifeNote")} value={life} onValue={setLife} disabled={!may} options={options(LIFE, times.absolute_seconds, t("sessions.days", { n: 30 }))} />
          <ErrorLine problem={problem} />
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="text" onClick={onClose} disabled={busy}>{may ? t("cancel") : t("close")}</Button>
        {may && <Button type="submit" variant="contained" loading={busy}>{t("edit.save")}</Button>}
      </DialogActions>
    </form>
  );
}
