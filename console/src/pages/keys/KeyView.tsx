/** One key in full, with its life from the audit log. */
import { useQuery } from "@tanstack/react-query";
import { asProblem } from "../../api/problem";
import type { ApiKey } from "../../api/types";
import { number, t } from "../../i18n";
import { AlsoHere } from "../../parts/AlsoHere";
import { Facts, Id, StatePill, Time } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { KeyActs } from "./KeyActs";
import css from "./keys.module.css";
import { Life } from "./Life";
import { keyQuery } from "./queries";
import { Until } from "../../parts/Until";

export default function KeyView({ id }: { id: string }) {
  const query = useQuery(keyQuery(id));
  const problem = query.error && asProblem(query.error);
  if (problem?.status === 404) return <EmptyState icon="key" title={t("keys.none.title")} text={t("keys.none.text")} />;
  if (problem && !query.data) return <ErrorState problem={problem} retry={() => void query.refetch()} />;
  if (!query.data) return <div className={css.view}><Lines count={8} height={28} /></div>;
  return <Detail row={query.data} changed={() => void query.refetch()} />;
}

function Detail({ row, changed }: { row: ApiKey; changed: () => void }) {
  return (
    <article className={css.view} aria-label={row.name}>
      <div className={parts.spread}>
        <b>{row.name}</b>
        <AlsoHere path={`/keys/${row.id}`} />
        <StatePill state={row.state} />
      </div>
      <KeyActs row={row} onChanged={changed} />
      <Facts
        facts={[
          [t("keys.hint"), <code key="hint" className={parts.code}>{row.hint}…</code>],
          [t("keys.owner"), row.created_by.name ?? "–"],
          [t("keys.addresses"), row.addresses.length > 0 ? row.addresses.join(", ") : t("keys.anywhere")],
          [t("keys.pace"), row.requests_per_minute ? number(row.requests_per_minute) : t("keys.unlimited")],
          ...Object.entries(row.resource_limits).map(([name, most]): [string, string] => [t("keys.paceOf", { name }), number(most)]),
          [t("keys.firstUsed"), row.first_used_at ? <Time key="first" at={row.first_used_at} /> : t(row.last_used_at ? "keys.firstUnknown" : "keys.never")],
          [t("keys.used"), row.last_used_at ? <Time key="used" at={row.last_used_at} /> : t("keys.never")],
          [t("keys.usedFrom"), row.last_used_ip ?? "–"],
          [t("field.created"), <Time key="created" at={row.created_at} />],
          ...facts(row),
          [t("keys.end"), row.expires_at ? <Until key="end" at={row.expires_at} /> : t("keys.noEnd")],
          [t("field.id"), <Id key="id" value={row.id} />],
        ]}
      />
      <section>
        <h3>{t("keys.scopes")}</h3>
        <ul className={css.names}>
          {row.scopes.map((scope) => (
            <li key={scope}><code className={parts.code}>{scope}</code></li>
          ))}
        </ul>
      </section>
      <Life row={row} />
    </article>
  );
}

/** What only some keys have. */
function facts(row: ApiKey): [string, React.ReactNode][] {
  const some: [string, string | null | undefined][] = [
    [t("keys.rotated"), row.rotated_at],
    [t("keys.revokedAt"), row.revoked_at],
  ];
  const told = some.filter((fact): fact is [string, string] => Boolean(fact[1])).map(([label, at]): [string, React.ReactNode] => [label, <Time key={label} at={at} />]);
  if (row.previous_until) told.push([t("keys.previous"), <Until key="previous" at={row.previous_until} />]);
  if (row.revoked_reason) told.push([t("field.reason"), row.revoked_reason]);
  return told;
}
