/** What the hub holds on me, as a file; and the exports that I asked for, of others too. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must, once } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { paths } from "../../api/schema.gen";
import { useMe } from "../../auth/session";
import { bytes, t } from "../../i18n";
import "../../i18n/custody";
import { Card, Pill, Time } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { Until } from "../../parts/Until";
import css from "./data.module.css";

type Export = paths["/api/v1/personal_data/exports"]["get"]["responses"][200]["content"]["application/json"]["items"][number];

const exportsQuery = {
  queryKey: ["personal_data", "exports"],
  queryFn: ({ signal }: { signal: AbortSignal }) => must(api.GET("/api/v1/personal_data/exports", { signal })),
};

export default function YourData() {
  const me = useMe();
  const query = useQuery({ ...exportsQuery, staleTime: 0 });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const items = query.data?.items ?? [];
  const gather = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await must(api.POST("/api/v1/me/personal_data/export", { body: {} as never, params: { header: once() } as never }));
      await query.refetch();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={t("data.title")}>
      <div className={parts.stack}>
        <p className={parts.muted}>{t("data.text")}</p>
        <ErrorLine problem={problem} />
        <div>
          <Button variant="outlined" onClick={() => void gather()} loading={busy}>{t("data.gather")}</Button>
        </div>
        {query.error ? <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} /> : !query.data ? <Lines count={2} height={44} /> : items.length === 0 ? <p className={parts.note}>{t("data.none")}</p> : (
          <ul className={css.exports}>
            {items.map((item) => (
              <Entry key={item.id} item={item} mine={item.user_id === me.user.id} />
            ))}
          </ul>
        )}
      </div>
    </Card>
  );
}

function Entry({ item, mine }: { item: Export; mine: boolean }) {
  const making = item.state === "making";
  return (
    <li>
      <div>
        <span>{mine ? t("data.mine") : item.user_name}</span>
        <small>
          <Time at={item.created_at} />
          {item.state === "ready" && <> · {bytes(item.size)} · {t("data.until")} <Until at={item.expires_at} /></>}
        </small>
      </div>
      {item.state === "ready" ? (
        <Button variant="outlined" component="a" href={`/api/v1/personal_data/exports/${item.id}/file`} download>{t("data.fetch")}</Button>
      ) : (
        <Pill tone={making ? "info" : "bad"}>{t(`data.state.${item.state}`)}</Pill>
      )}
    </li>
  );
}
