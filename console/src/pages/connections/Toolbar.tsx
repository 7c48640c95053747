/** What narrows the list of connections; all of it stands in the address. */
import { useEffect, useMemo, useRef, useState } from "react";
import type { LiveNode } from "../../api/types";
import { number, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import type { Filters } from "../../live/kinds";
import { useLater } from "../../parts/basics";
import { Choice, Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import table from "../../parts/table.module.css";
import type { Search } from "./Connections";
import { transport } from "./columns";
import css from "./connections.module.css";
import { type ConnectionRow, shortNode } from "./queries";

interface Props {
  filters: Filters;
  change: (next: Search) => void;
  nodes: LiveNode[];
  rows: ConnectionRow[];
}

export function Toolbar({ filters, change, nodes, rows }: Props) {
  const box = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(filters.q ?? "");
  const later = useLater(text.trim(), 300);
  useEffect(() => {
    if (later !== (filters.q ?? "")) change({ q: later || undefined });
    // Only what was typed leads; the address leads at the start.
  }, [later]);
  useOffer([{ id: "connections.filter", keys: "/", label: t("keys.filter"), group: t("keys.page"), run: () => box.current?.focus(), keyOnly: true }]);
  const transports = useMemo(() => {
    const counts = new Map<string, number>(filters.transport ? [[filters.transport, 0]] : []);
    for (const node of nodes) for (const [name, count] of Object.entries(node.transports)) if (count > 0 || counts.has(name)) counts.set(name, (counts.get(name) ?? 0) + count);
    return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }, [nodes, filters.transport]);
  const who = rows.find((row) => row.user === filters.user);
  return (
    <div className={table.toolbar}>
      <div className={table.search}>
        <Field label={t("connections.search")} hideLabel placeholder={t("connections.search")} value={text} onValue={setText} inputRef={box} startAdornment={<Icon name="search" small />} />
      </div>
      <span className={table.choice}>
        <Choice label={t("field.transport")} hideLabel value={filters.transport ?? ""} onValue={(next) => change({ transport: next || undefined })} options={[{ value: "", label: t("connections.anyTransport") }, ...transports.map(([name, count]) => ({ value: name, label: t("connections.counted", { name: transport(name), n: number(count) }) }))]} />
      </span>
      {(nodes.length > 1 || filters.node) && (
        <span className={table.choice}>
          <Choice label={t("field.node")} hideLabel value={filters.node ?? ""} onValue={(next) => change({ node: next || undefined })} options={[{ value: "", label: t("connections.anyNode") }, ...nodeOptions(nodes, filters.node)]} />
        </span>
      )}
      {filters.user && (
        <button type="button" className={css.only} onClick={() => change({ user: undefined })}>
          {t("connections.only", { name: who?.user_name ?? filters.user })}
          <Icon name="close" small />
        </button>
      )}
    </div>
  );
}

/** A node in the address may be gone since: it is still what the list is narrowed to. */
function nodeOptions(nodes: LiveNode[], chosen: string | undefined) {
  const known = nodes.map(({ node, connections }) => ({ value: node, label: t("connections.counted", { name: shortNode(node), n: number(connections) }) }));
  return !chosen || known.some((option) => option.value === chosen) ? known : [...known, { value: chosen, label: shortNode(chosen) }];
}
