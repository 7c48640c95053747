import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { Actor, Actors } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { number, t } from "../../i18n";
import "../../i18n/hub";
import { followChannel } from "../../live/store";
import { Card, duration, Facts, Id, StatePill, Time } from "../../parts/basics";
import { Meter } from "../../parts/Meter";
import { ErrorState, Lines } from "../../parts/states";
import { tree } from "./tree";
import css from "./system.module.css";

export default function System() {
  const info = useQuery({ queryKey: ["system", "info"], queryFn: ({ signal }) => must(api.GET("/api/v1/system/info", { signal })) });
  const actors = useQuery({
    queryKey: ["system", "actors"],
    queryFn: ({ signal }): Promise<Actors> => {
      followChannel("feed:system");
      return must(api.GET("/api/v1/system/actors", { signal }));
    },
  });
  return (
    <PageFrame title={t("nav.system")} name={t("nav.system")} count={info.data?.version}>
      <Card title={t("system.node")}>
        {info.error ? (
          <ErrorState problem={asProblem(info.error)} retry={() => void info.refetch()} />
        ) : info.data ? (
          <Facts
            facts={[
              [t("system.name"), <Id key="node" value={info.data.node} />],
              [t("system.version"), info.data.version],
              [t("system.started"), <Time key="started" at={info.data.started_at} />],
              [t("system.roles"), info.data.roles.join(", ")],
              [t("system.postgres"), info.data.postgres.version],
              [t("system.redis"), info.data.redis.version],
            ]}
          />
        ) : (
          <Lines count={6} />
        )}
      </Card>
      <Card title={t("system.actors")} aside={<span>{actors.data ? t("system.count", { n: actors.data.items.length }) : ""}</span>} flush>
        {actors.error ? <ErrorState problem={asProblem(actors.error)} retry={() => void actors.refetch()} /> : actors.data ? <Tree actors={actors.data.items} /> : <div className={css.loading}><Lines count={8} height={36} /></div>}
      </Card>
    </PageFrame>
  );
}

function Tree({ actors }: { actors: Actor[] }) {
  const rows = useMemo(() => tree(actors), [actors]);
  return (
    <div className={css.scroll}>
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{t("system.actor")}</th>
            <th scope="col">{t("field.state")}</th>
            <th scope="col">{t("system.mailbox")}</th>
            <th scope="col" className={css.number}>{t("system.handled")}</th>
            <th scope="col" className={css.number}>{t("system.handling")}</th>
            <th scope="col" className={css.number}>{t("system.heartbeat")}</th>
            <th scope="col" className={css.number}>{t("system.restarts")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ actor, depth }) => (
            <tr key={`${actor.parent ?? ""}/${actor.name}`}>
              <th scope="row">
                <span className={css.name} style={{ paddingInlineStart: `calc(${depth} * var(--s4))` }}>
                  <b>{actor.name}</b>
                  {actor.last_reason && <small title={actor.last_reason}>{actor.last_reason}</small>}
                </span>
              </th>
              <td><StatePill state={actor.state} of="actor" /></td>
              <td data-label={t("system.mailbox")}><Mailbox actor={actor} /></td>
              <td data-label={t("system.handled")} className={css.number}>{number(actor.handled)}</td>
              <td data-label={t("system.handling")} className={css.number}>{t("system.times", { mean: duration(actor.handling_us.mean / 1000), max: duration(actor.handling_us.max / 1000) })}</td>
              <td data-label={t("system.heartbeat")} className={css.number}>{actor.heartbeat_age_ms === null || actor.heartbeat_age_ms === undefined ? "–" : duration(actor.heartbeat_age_ms)}</td>
              <td data-label={t("system.restarts")} className={css.number}>{number(actor.restarts)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Mailbox({ actor }: { actor: Actor }) {
  const { depth, capacity } = actor.mailbox;
  if (capacity === 0) return <>{number(depth)}</>;
  return (
    <span className={css.mailbox}>
      <Meter share={depth / capacity} bad={depth > capacity * 0.8} label={t("system.mailboxOf", { name: actor.name })} />
      {number(depth)} / {number(capacity)}
    </span>
  );
}
