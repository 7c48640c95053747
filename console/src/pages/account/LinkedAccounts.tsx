/** My accounts elsewhere, through which I may sign in. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { LinkedAccounts as Linked } from "../../api/types";
import { leaveToLink, linkedQuery, unlink } from "../../auth/providers";
import { t } from "../../i18n";
import "../../i18n/providers";
import { Card, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import css from "../providers/providers.module.css";

type Item = Linked["items"][number];

const HERE = "/account?section=linked";

export default function LinkedAccounts() {
  const query = useQuery(linkedQuery);
  const [removing, setRemoving] = useState<Item | null>(null);
  const [away, setAway] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { data } = query;
  const link = async (id: string) => {
    setAway(id);
    setProblem(null);
    try {
      await leaveToLink(id, HERE);
    } catch (error) {
      setProblem(asProblem(error));
      setAway(null);
    }
  };
  const remove = async () => {
    if (!removing) return;
    await unlink(removing.id);
    toast(t("linked.unlinked", { name: removing.provider }));
    await query.refetch();
  };
  if (query.error && !data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  return (
    <Card title={t("linked.title")}>
      <div className={parts.stack}>
        {!data && <Lines count={2} height={44} />}
        {data?.items.length === 0 && <p className={parts.muted}>{t("linked.empty")}</p>}
        {data && data.items.length > 0 && (
          <ul className={css.list} data-testid="linked">
            {data.items.map((item) => (
              <li key={item.id}>
                <div>
                  <b>{item.provider}</b>
                  <small>
                    {t("linked.at")} <Time at={item.linked_at} /> · {t("linked.used")} <Time at={item.last_used_at} />
                  </small>
                  {!item.may_unlink && <small>{t("linked.only")}</small>}
                </div>
                <Button variant="outlined" color="error" disabled={!item.may_unlink} onClick={() => setRemoving(item)}>
                  {t("linked.unlink")}
                </Button>
              </li>
            ))}
          </ul>
        )}
        {data && data.available.length > 0 && (
          <div className={css.actions}>
            {data.available.map((one) => (
              <Button key={one.id} variant="outlined" loading={away === one.id} disabled={away !== null} onClick={() => void link(one.id)}>
                {t("linked.link", { name: one.name })}
              </Button>
            ))}
            <small className={parts.muted}>{t("linked.linkText")}</small>
          </div>
        )}
        <ErrorLine problem={problem} />
      </div>
      <ConfirmWithImpact open={removing !== null} onClose={() => setRemoving(null)} title={t("linked.unlink.title", { name: removing?.provider })} text={t("linked.unlink.text")} action={t("linked.unlink")} run={remove} />
    </Card>
  );
}
