/** One connection in full, read again every two seconds, with the channels it follows. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import type { ConnectionDetail } from "../../api/types";
import { bytes, t } from "../../i18n";
import { duration, Face, Facts, Id, Raw, Time } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { useConnectionActs } from "./ConnectionMenu";
import { transport } from "./columns";
import css from "./connections.module.css";
import { connectionQuery, holder } from "./queries";

export default function ConnectionView({ client }: { client: string }) {
  const query = useQuery(connectionQuery(client));
  const problem = query.error && asProblem(query.error);
  if (problem?.status === 404) return <EmptyState icon="connections" title={t("connections.over.title")} text={t("connections.over.text")} />;
  if (problem && !query.data) return <ErrorState problem={problem} retry={() => void query.refetch()} />;
  if (!query.data) return <div className={css.view}><Lines count={8} height={28} /></div>;
  return <Detail connection={query.data} />;
}

function Detail({ connection }: { connection: ConnectionDetail }) {
  const { acts, question } = useConnectionActs(connection);
  const { subscriptions, user, application } = connection;
  const name = holder(connection, t("connections.nobody"));
  return (
    <div className={css.view}>
      <div className={css.who}>
        <Face name={name} id={user} />
        <div>
          <b>{name}</b>
          <small>{t(application ? "connections.application" : "connections.member")}</small>
        </div>
      </div>
      <div className={parts.row}>
        {acts.map((act) => (
          <Button key={act.id} variant="outlined" color={act.id === "disconnect" ? "error" : "primary"} onClick={act.run}>{act.label}</Button>
        ))}
      </div>
      {question}
      <Facts
        facts={[
          [t("field.transport"), `${transport(connection.transport)} · ${connection.protocol === "protobuf" ? "Protobuf" : "JSON"}`],
          [t("field.agent"), [connection.name, connection.version].filter(Boolean).join(" ") || "–"],
          [t("field.address"), connection.address],
          [t("field.connected"), <Time key="connected" at={connection.connected_at} />],
          [t("field.queueBytes"), bytes(connection.queue_bytes)],
          [t("field.latency"), connection.latency_ms == null ? null : duration(connection.latency_ms)],
          [t("field.node"), <Id key="node" value={connection.node} />],
          ...(user ? ([[t("field.user"), <Id key="user" value={user} />]] as [string, React.ReactNode][]) : []),
          [t("field.id"), <Id key="id" value={connection.client} />],
        ]}
      />
      <section>
        <h3>{t("connections.follows", { n: subscriptions.length })}</h3>
        {subscriptions.length > 0 && (
          <ul className={css.names}>
            {subscriptions.map((channel) => (
              <li key={channel}>
                <Link to="/channels" search={{ open: channel }}><code>{channel}</code></Link>
              </li>
            ))}
          </ul>
        )}
      </section>
      <Raw value={connection} />
    </div>
  );
}
