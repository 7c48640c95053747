/** Each node in a few numbers, once a second; pressing one leaves its connections alone in the list. */
import type { LiveNodes } from "../../api/types";
import { bytes, t } from "../../i18n";
import { Pill } from "../../parts/basics";
import css from "./connections.module.css";
import { shortNode } from "./queries";

export function Nodes({ nodes, chosen, choose }: { nodes: LiveNodes | undefined; chosen: string | undefined; choose: (node: string | undefined) => void }) {
  if (!nodes || nodes.items.length === 0) return <div className={css.nodes} aria-hidden="true" />;
  return (
    <div className={css.nodes} role="group" aria-label={t("connections.nodes")} data-testid="nodes">
      {nodes.items.map(({ node, connections, users, channels, queue_bytes, draining }) => (
        <button key={node} type="button" className={css.node} aria-pressed={node === chosen} title={node} onClick={() => choose(node === chosen ? undefined : node)}>
          <span>
            <code>{shortNode(node)}</code>
            {draining && <Pill tone="warn">{t("connections.draining")}</Pill>}
          </span>
          <b>{t("connections.count", { n: connections })}</b>
          <small>{t("connections.nodeNote", { users, channels, queue: bytes(queue_bytes) })}</small>
        </button>
      ))}
    </div>
  );
}
