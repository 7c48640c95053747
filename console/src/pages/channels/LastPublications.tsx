/** What a channel keeps of its last publications, newest first; each opens to its JSON. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { asProblem } from "../../api/problem";
import { number, t } from "../../i18n";
import { Raw } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import css from "./channels.module.css";
import { historyQuery } from "./queries";

/** As the hub tells it; of its own channels `data` is the event. */
interface Kept {
  offset: number;
  data?: unknown;
  b64data?: string;
  user?: string;
  time?: string | number;
}

/** One line that tells publications apart: an event's type, or how its data begins. */
export function gist({ data, b64data }: Kept): string {
  const type = (data as { type?: unknown } | null | undefined)?.type;
  if (typeof type === "string" && type !== "") return type;
  return b64data !== undefined ? t("channels.binary") : (JSON.stringify(data) ?? "");
}

export function LastPublications({ channel, top }: { channel: string; top: number | null }) {
  const query = useQuery({ ...historyQuery(channel), enabled: top !== null });
  const { refetch } = query;
  // The channel's own place tells when there is more to read.
  const read = useRef(top);
  useEffect(() => {
    if (top === null || top === read.current) return;
    read.current = top;
    void refetch();
  }, [top, refetch]);
  const items = (query.data?.items ?? []) as unknown as Kept[];
  return (
    <section className={css.part}>
      <h3>{t("channels.last")}</h3>
      {top === null ? (
        <p className={parts.muted}>{t("channels.noHistoryText")}</p>
      ) : query.error ? (
        <ErrorLine problem={asProblem(query.error)} />
      ) : query.isPending ? (
        <Lines count={4} height={28} />
      ) : items.length === 0 ? (
        <p className={parts.muted}>{t("channels.lastNone")}</p>
      ) : (
        <ul className={css.last} data-testid="last">
          {items.map((kept) => (
            <li key={kept.offset}>
              <details>
                <summary>
                  <small>{number(kept.offset)}</small>
                  <code>{gist(kept)}</code>
                </summary>
                <Raw value={kept} />
              </details>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
