/** A key's life as a line of moments, newest first. */
import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import type { ApiKey, Audit } from "../../api/types";
import { useMay } from "../../auth/session";
import { number, t } from "../../i18n";
import { Time, useNow } from "../../parts/basics";
import { ErrorState, Lines } from "../../parts/states";
import { dayOf } from "../../parts/times";
import { entryText, entryTone, whoDid } from "../audit/words";
import { type Limits, limitsText } from "./change";
import css from "./keys.module.css";
import { type Moment, momentsOf } from "./life";
import { lifeQuery } from "./queries";

const WORDS = { firstUsed: "keys.moment.firstUsed", lastUsed: "keys.moment.lastUsed", expired: "keys.moment.expired", previousEnded: "keys.moment.previousEnded" } as const;

export function Life({ row }: { row: ApiKey }) {
  const query = useInfiniteQuery({ ...lifeQuery(row.id, row.version), placeholderData: (before) => before });
  const mayAudit = useMay("audit:read");
  const now = useNow();
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={4} height={44} />;
  const moments = momentsOf(row, query.data.pages.flatMap((page) => page.items), !query.hasNextPage, now);
  return (
    <section>
      <h3>{t("keys.timeline")}</h3>
      <ol className={css.life} data-testid="life">
        {moments.map((moment) => (
          <li key={moment.kind === "entry" ? moment.entry.id : moment.kind} data-tone={toneOf(moment)}>
            {moment.kind === "entry" ? <Done entry={moment.entry} /> : <div>{t(WORDS[moment.kind])}{moment.kind === "lastUsed" && row.last_used_ip && <small>{t("keys.moment.from", { ip: row.last_used_ip })}</small>}</div>}
            <Time at={moment.at} />
          </li>
        ))}
      </ol>
      {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
      {mayAudit && <p><Link to="/audit" search={{ api_key: row.id }}>{t("keys.didAll")}</Link></p>}
    </section>
  );
}

const toneOf = (moment: Moment) => (moment.kind === "entry" ? entryTone(moment.entry) : moment.kind === "expired" ? "bad" : "idle");

function Done({ entry }: { entry: Audit }) {
  return (
    <div>
      <b>{whoDid(entry.actor)}</b> {entryText(entry)}
      {entry.reason && <small>{entry.reason}</small>}
      {entry.action !== "api_keys.create" && differences(entry).map((line) => <small key={line}>{line}</small>)}
    </div>
  );
}

interface Change {
  before?: unknown;
  after?: unknown;
}

/** What an entry changed, a line for each thing. */
function differences(entry: Audit): string[] {
  const changes = (entry.changes ?? {}) as Record<string, Change>;
  const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  return Object.entries(changes).flatMap(([field, { before, after }]) => {
    if (field === "scopes" || field === "addresses") {
      const came = list(after).filter((one) => !list(before).includes(one)).map((one) => `+ ${one}`);
      const went = list(before).filter((one) => !list(after).includes(one)).map((one) => `− ${one}`);
      return [[...came, ...went].join(", ")].filter(Boolean);
    }
    if (field === "expires_at") return [t("keys.changed.end", { before: day(before), after: day(after) })];
    if (field === "requests_per_minute") return [t("keys.changed.pace", { before: most(before), after: most(after) })];
    if (field === "resource_limits") return [`${limits(before)} → ${limits(after)}`];
    return field === "name" ? [`${String(before)} → ${String(after)}`] : [];
  });
}

const day = (value: unknown) => (typeof value === "string" ? dayOf(value) : t("keys.noEnd"));
const limits = (value: unknown) => limitsText((value ?? {}) as Limits).replaceAll("\n", ", ") || t("keys.unlimited");
const most = (value: unknown) => (typeof value === "number" ? number(value) : t("keys.unlimited"));
