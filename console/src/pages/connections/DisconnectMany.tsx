/** Ends the chosen connections and tells what became of each. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { t } from "../../i18n";
import { BulkFrame, each, type Outcome, Outcomes } from "../../parts/bulk";
import type { Selection } from "../../parts/useSelection";
import { AskDisconnect } from "./Disconnect";
import { type ConnectionRow, disconnect, holder } from "./queries";

export default function DisconnectMany({ selection }: { selection: Selection<ConnectionRow> }) {
  const [asked, setAsked] = useState(false);
  const [done, setDone] = useState<Outcome<ConnectionRow>[] | null>(null);
  const rows = [...selection.rows.values()];
  const run = (reason: string, reconnect: boolean) => {
    setDone([]);
    // The dialog with the outcomes takes over; it stays until it is closed.
    void each(rows, (row) => disconnect(row, reason, reconnect), setDone);
    return Promise.resolve();
  };
  const finish = () => {
    setDone(null);
    selection.clear();
  };
  return (
    <>
      <BulkFrame label={t("connections.bulk")} count={rows.length} clear={selection.clear}>
        <Button variant="outlined" color="error" onClick={() => setAsked(true)}>{t("act.disconnect")}</Button>
      </BulkFrame>
      <AskDisconnect open={asked} onClose={() => setAsked(false)} title={t("disconnect.title", { n: rows.length })} impact={impactOf(rows)} run={run} />
      {done && <Outcomes done={done} count={rows.length} name={(row) => holder(row, row.client)} onClose={finish} />}
    </>
  );
}

export function impactOf(rows: Pick<ConnectionRow, "user" | "channels">[]): string {
  const people = new Set(rows.map((row) => row.user)).size;
  return t("disconnect.impact", { n: rows.length, people, channels: rows.reduce((sum, row) => sum + row.channels, 0) });
}
