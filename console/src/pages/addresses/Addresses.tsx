/** Which addresses are let in. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import type { IpRule } from "../../api/types";
import { queries } from "../../app/queries";
import { PageFrame } from "../../app/shell/PageFrame";
import { useWhy } from "../../auth/session";
import { roleName, t } from "../../i18n";
import "../../i18n/access";
import { useOffer } from "../../keys/registry";
import { holdChannel, tapArrivals } from "../../live/store";
import { Act } from "../../parts/Act";
import { Card, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import page from "../account/account.module.css";
import { Allow } from "./Allow";
import css from "./addresses.module.css";
import { rulesQuery, takeAway } from "./queries";

const CHANNEL = "feed:ip_rules";

export default function Addresses() {
  const query = useQuery(rulesQuery);
  const why = useWhy("ip_rules:manage");
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<IpRule | null>(null);
  useEffect(() => {
    const leave = holdChannel(CHANNEL);
    const deaf = tapArrivals((channel) => {
      if (channel === CHANNEL) void queries.invalidateQueries({ queryKey: rulesQuery.queryKey });
    });
    return () => {
      deaf();
      leave();
    };
  }, []);
  useOffer(why === null ? [{ id: "addresses.add", keys: "c", label: t("addresses.add"), group: t("keys.page"), run: () => setAdding(true) }] : []);
  const action = <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={() => setAdding(true)} why={why}>{t("addresses.add")}</Act>;
  const remove = async () => {
    if (!removing) return;
    await takeAway(removing);
    toast(t("addresses.removed", { cidr: removing.cidr }));
    await query.refetch();
  };
  const { data } = query;
  return (
    <PageFrame title={t("nav.addresses")} name={t("nav.addresses")} actions={action}>
      <div className={page.narrow}>
        {query.error && !data && <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />}
        {data && <p className={parts.muted}>{data.your_address ? t("addresses.yours", { address: data.your_address }) : t("addresses.unknown")}</p>}
        <Card flush>
          {!data && !query.error && <Lines count={4} height={44} />}
          {data?.items.length === 0 && <EmptyState icon="network" title={t("addresses.empty.title")} text={t("addresses.empty.text")} />}
          {data && data.items.length > 0 && (
            <ul className={css.rules} data-testid="rules">
              {data.items.map((rule) => (
                <li key={rule.id}>
                  <div>
                    <code className={parts.code}>{rule.cidr}</code> {rule.note}
                    <small>
                      {forWhom(rule)} · {t("addresses.by")} {rule.created_by.name ?? t("actor.system")}, <Time at={rule.created_at} />
                    </small>
                  </div>
                  {rule.can?.includes("ip_rules.delete") && <Button variant="outlined" color="error" onClick={() => setRemoving(rule)}>{t("addresses.remove")}</Button>}
                </li>
              ))}
            </ul>
          )}
        </Card>
      </div>
      {adding && <Allow onClose={() => setAdding(false)} onAllowed={() => void query.refetch()} />}
      <ConfirmWithImpact open={removing !== null} onClose={() => setRemoving(null)} title={t("addresses.remove.title", { cidr: removing?.cidr })} text={t("addresses.remove.text")} action={t("addresses.remove")} run={remove} />
    </PageFrame>
  );
}

const forWhom = ({ applies_to }: IpRule): string => (applies_to.kind === "organization" ? t("addresses.everybody") : t("addresses.role", { role: roleName({ name: applies_to.name ?? applies_to.id }) }));
