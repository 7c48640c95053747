import { useNavigate, useSearch } from "@tanstack/react-router";
import Button from "@mui/material/Button";
import { useCallback, useMemo, useRef, useState } from "react";
import type { Audit } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { t, tOr } from "../../i18n";
import "../../i18n/custody";
import { useOffer } from "../../keys/registry";
import { type Filters, isWhole } from "../../live/kinds";
import { useLiveList } from "../../live/useLiveList";
import { Face, Facts, Id, Pill, Raw, Time } from "../../parts/basics";
import { type Column, DataTable } from "../../parts/DataTable";
import { Field } from "../../parts/Field";
import { Inspector } from "../../parts/Inspector";
import { EmptyState } from "../../parts/states";
import { SubjectLink } from "../../parts/SubjectLink";
import parts from "../../parts/parts.module.css";
import table from "../../parts/table.module.css";
import { useTyped } from "../../parts/useTyped";
import Views from "../../parts/views/Views";
import { fetchAudit } from "./queries";
import { entryText, entryTone, valuesOf, valueText, whoDid } from "./words";
import css from "./audit.module.css";

export default function AuditLog() {
  const { action, actor, subject, api_key, open } = useSearch({ from: "/shell/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const filters: Filters = useMemo(() => ({ action, actor, subject, api_key }), [action, actor, subject, api_key]);
  const fetchPage = useMemo(() => fetchAudit(filters), [filters]);
  const [calm, setCalm] = useState(true);
  const list = useLiveList<Audit>({ kind: "audit_entry", key: "audit", filters, fetchPage, newestFirst: true, calm });
  const columns = useColumns();
  const change = useCallback((next: Record<string, string | undefined>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }), [navigate]);
  const show = useCallback((row: Audit) => void navigate({ search: (before) => ({ ...before, open: row.id }) }), [navigate]);
  const entry = list.rows.find((row) => row.id === open);
  return (
    <PageFrame title={t("nav.audit")} name={t("nav.audit")} fill>
      <DataTable
        label={t("nav.audit")}
        list={list}
        columns={columns}
        phone={PhoneRow}
        name={(row) => row.action}
        openId={open}
        onOpen={show}
        onCalm={setCalm}
        toolbar={<Toolbar filters={filters} change={change} rows={list.rows} />}
        empty={
          isWhole(filters) ? (
            <EmptyState icon="audit" title={t("audit.empty.title")} text={t("audit.empty.text")} />
          ) : (
            <EmptyState icon="search" title={t("audit.none.title")} text={t("audit.none.text")}>
              <Button variant="outlined" onClick={() => change({ action: undefined, actor: undefined, subject: undefined, api_key: undefined })}>{t("users.none.action")}</Button>
            </EmptyState>
          )
        }
      />
      {entry && (
        <Inspector title={t("audit.entry")} onClose={() => change({ open: undefined })}>
          <Entry entry={entry} />
        </Inspector>
      )}
    </PageFrame>
  );
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const sentence = (entry: Audit) => entryText(entry);

const PhoneRow = (entry: Audit) => (
  <>
    <span className={table.two}>
      <Face name={whoDid(entry.actor)} id={entry.actor.id ?? ""} />
      <div>
        <b>{sentence(entry)}</b>
        <small>{actorName(entry)}</small>
      </div>
    </span>
    <Time at={entry.at} />
  </>
);

function useColumns(): Column<Audit>[] {
  return useMemo(
    () => [
      { id: "at", header: t("field.at"), width: "minmax(var(--col-time), 0.6fr)", cell: (row) => <Time at={row.at} /> },
      { id: "actor", header: t("field.actor"), width: "minmax(0, 1.3fr)", cell: (row) => <span className={table.two}><Face name={whoDid(row.actor)} id={row.actor.id ?? ""} /><div><b>{actorName(row)}</b></div></span> },
      { id: "what", header: t("field.what"), width: "minmax(0, 2.2fr)", cell: sentence },
      { id: "action", header: t("field.action"), width: "minmax(0, 1.2fr)", cell: (row) => <Pill tone={entryTone(row)}>{row.action}</Pill> },
      { id: "ip", header: t("field.ip"), width: "minmax(0, 0.8fr)", cell: (row) => row.ip ?? "–" },
    ],
    [],
  );
}

function Toolbar({ filters, change, rows }: { filters: Filters; change: (next: Record<string, string | undefined>) => void; rows: Audit[] }) {
  const first = useRef<HTMLInputElement>(null);
  const offered = useMemo(() => valuesOf(rows), [rows]);
  useOffer([{ id: "audit.filter", keys: "/", label: t("keys.filter"), group: t("keys.page"), run: () => first.current?.focus(), keyOnly: true }]);
  return (
    <div className={table.toolbar}>
      {(["action", "actor", "subject"] as const).map((name, index) => (
        <div key={name} className={index === 0 ? table.search : table.half}>
          <Filter name={name} value={filters[name] ?? ""} offered={offered[name]} box={index === 0 ? first : undefined} onValue={(value) => change({ [name]: value || undefined })} />
        </div>
      ))}
      <span className={table.grow} />
      <Views page="audit" />
    </div>
  );
}

/** Who did it; where an operator acted as somebody, both. */
function actorName({ actor, on_behalf_of }: Audit): string {
  const name = whoDid(actor);
  return actor.kind === "user" && on_behalf_of?.name ? t("who.actedBy", { by: on_behalf_of.name, name }) : name;
}

function Filter({ name, value, offered, box, onValue }: { name: "action" | "actor" | "subject"; value: string; offered: { value: string; label?: string }[]; box?: React.RefObject<HTMLInputElement | null>; onValue: (value: string) => void }) {
  // The hub takes whole ids only: half a one is not asked for.
  const whole = (typed: string) => name === "action" || typed === "" || ID.test(typed);
  const [text, setText, later] = useTyped(value, 300, (typed) => whole(typed) && onValue(typed));
  const fits = whole(later);
  return <Field label={t(`audit.by.${name}`)} hideLabel placeholder={t(`audit.by.${name}`)} value={text} onValue={setText} inputRef={box} offered={offered} error={fits ? undefined : t("audit.notId")} />;
}

interface FieldChange {
  before?: unknown;
  after?: unknown;
}


function Entry({ entry }: { entry: Audit }) {
  const changes = Object.entries((entry.changes ?? {}) as Record<string, FieldChange>);
  return (
    <div className={css.entry}>
      <p>
        <b>{actorName(entry)}</b> {sentence(entry)}
      </p>
      <Facts
        facts={[
          [t("field.at"), <Time key="at" at={entry.at} />],
          [t("field.action"), entry.action],
          [t("field.subject"), <SubjectLink key="subject" kind={entry.subject.kind} id={entry.subject.id} name={entry.subject.label} />],
          ...((entry.reason ? [[t("field.reason"), entry.reason]] : []) as [string, string][]),
          [t("field.ip"), entry.ip],
          [t("field.agent"), entry.user_agent],
          [t("field.trace"), entry.trace_id ? <Id key="trace" value={entry.trace_id} /> : null],
          [t("field.id"), <Id key="id" value={entry.id} />],
        ]}
      />
      {changes.length > 0 && (
        <table className={css.changes}>
          <caption>{t("audit.changes")}</caption>
          <thead>
            <tr><th scope="col">{t("conflict.field")}</th><th scope="col">{t("audit.before")}</th><th scope="col">{t("audit.after")}</th></tr>
          </thead>
          <tbody>
            {changes.map(([field, change]) => (
              <tr key={field}>
                <th scope="row">{tOr(`field.${field}`, field)}</th>
                {entry.masked?.includes(field) ? <td colSpan={2} className={parts.muted}>{t("masked")}</td> : <><td>{valueText(change?.before)}</td><td>{valueText(change?.after)}</td></>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Raw value={entry} />
    </div>
  );
}
