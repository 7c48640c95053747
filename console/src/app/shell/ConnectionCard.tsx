/** What there is to know of this tab's connection. Latency is measured only while somebody looks. */
import Button from "@mui/material/Button";
import { useEffect } from "react";
import { t, tOr } from "../../i18n";
import type { Pill } from "../../live/pill";
import { connectAgain, measureLatency } from "../../live/store";
import { duration, Facts, Id, Time } from "../../parts/basics";
import css from "./shell.module.css";

/** Between two measurements, in milliseconds. */
const APART = 2000;

const iso = (at: number) => new Date(at).toISOString();

export default function ConnectionCard({ id, pill }: { id: string; pill: Pill }) {
  const { state, facts, lastEvent, reason } = pill;
  const live = facts?.state === "live";
  useEffect(() => {
    if (!live) return;
    measureLatency();
    const timer = setInterval(measureLatency, APART);
    return () => clearInterval(timer);
  }, [live]);
  return (
    <section id={id} className={css.card} aria-label={t("pill.card")}>
      <h2>{t("pill.card")}</h2>
      <p>{t(`pill.${state}.more`)}</p>
      {state === "stopped" && (
        <>
          {reason && <p>{t("pill.stopped.reason", { reason })}</p>}
          <Button variant="outlined" onClick={connectAgain}>{t("pill.again")}</Button>
        </>
      )}
      {facts && (
        <Facts
          facts={[
            ...(live
              ? ([
                  ...(facts.node ? [[t("pill.node"), <Id key="node" value={facts.node} />]] : []),
                  [t("pill.transport"), tOr(`transport.${facts.transport}`, facts.transport ?? "–")],
                  [t("pill.latency"), facts.latency === null ? t("pill.measuring") : duration(facts.latency)],
                  [t("pill.since"), facts.since === null ? null : <Time key="since" at={iso(facts.since)} />],
                ] as [string, React.ReactNode][])
              : []),
            [t("pill.lastEvent"), lastEvent === null ? t("pill.none") : <Time key="last" at={iso(lastEvent)} />],
            [t("pill.tabs"), t("pill.tabsOf", { n: facts.tabs })],
            ...(facts.client ? ([[t("pill.client"), <Id key="client" value={facts.client} />]] as [string, React.ReactNode][]) : []),
          ]}
        />
      )}
    </section>
  );
}
