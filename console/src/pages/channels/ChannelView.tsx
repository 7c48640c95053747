/** One channel: who follows it, where its stream stands, who is there, what was last published, and a test message. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import type { ChannelDetail } from "../../api/types";
import { useWhy } from "../../auth/session";
import { number, t } from "../../i18n";
import { Act } from "../../parts/Act";
import { Facts, Id, Pill, Raw } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { ErrorState, Lines } from "../../parts/states";
import { rate } from "./Channels";
import css from "./channels.module.css";
import { LastPublications } from "./LastPublications";
import { Publish } from "./Publish";
import { channelQuery } from "./queries";

export default function ChannelView({ channel }: { channel: string }) {
  const query = useQuery(channelQuery(channel));
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <div className={css.view}><Lines count={8} height={28} /></div>;
  return <Detail channel={query.data} />;
}

function Detail({ channel }: { channel: ChannelDetail }) {
  const why = useWhy("live:publish");
  const { channel: name, application, options, presence } = channel;
  return (
    <div className={css.view}>
      <div className={parts.spread}>
        <Id value={name} />
        <Pill tone={application ? "info" : "idle"}>{t(application ? "channels.application" : "channels.hub")}</Pill>
      </div>
      <Link to="/events" search={{ channels: name }}>{t("channels.watch")}</Link>
      <Facts
        facts={[
          [t("channels.subscribers"), number(channel.subscribers)],
          [t("channels.rate"), t("channels.perSecond", { rate: rate(channel.rate) })],
          [t("channels.position"), channel.offset == null ? t("channels.noHistory") : number(channel.offset)],
          ...(channel.epoch ? ([[t("channels.epoch"), <Id key="epoch" value={channel.epoch} />]] as [string, React.ReactNode][]) : []),
        ]}
      />
      {application && (why === null ? <Publish channel={name} /> : <div><Act variant="outlined" why={why}>{t("publish.title")}</Act></div>)}
      <LastPublications channel={name} top={channel.offset ?? null} />
      <section className={css.part}>
        <h3>{t("channels.presence", { n: presence?.length ?? 0, kept: presence ? "yes" : "no" })}</h3>
        {presence && presence.length > 0 && (
          <ul className={css.people}>
            {presence.map(({ client, user }) => (
              <li key={client}>
                <Link to="/connections" search={{ open: client }}>{user || t("connections.nobody")}</Link>
                <Id value={client} />
              </li>
            ))}
          </ul>
        )}
      </section>
      {options && (
        <section className={css.part}>
          <h3>{t("channels.options")}</h3>
          <Raw value={options} />
        </section>
      )}
    </div>
  );
}
