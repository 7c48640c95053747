/** Who is invited. */
import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Invitation } from "../../api/types";
import { queries } from "../../app/queries";
import { PageFrame } from "../../app/shell/PageFrame";
import { useWhy } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/joining";
import { useOffer } from "../../keys/registry";
import { holdChannel, tapArrivals } from "../../live/store";
import { Act } from "../../parts/Act";
import { Card, StatePill, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import page from "../account/account.module.css";
import { Until } from "../../parts/Until";
import css from "./invitations.module.css";
import { invitationsQuery, resend, withdraw } from "./queries";

const Invite = lazy(() => import("./Invite"));
const CHANNEL = "feed:invitations";

export default function Invitations() {
  const query = useInfiniteQuery(invitationsQuery);
  const navigate = useNavigate({ from: "/invitations" });
  const { create } = useSearch({ from: "/shell/invitations" });
  const why = useWhy("invitations:manage", "users:create");
  const may = why === null;
  const [taking, setTaking] = useState<Invitation | null>(null);
  const inviting = (on: boolean) => void navigate({ search: on ? { create: "1" } : {}, replace: true });
  useEffect(() => {
    const leave = holdChannel(CHANNEL);
    const deaf = tapArrivals((channel) => {
      if (channel === CHANNEL) void queries.invalidateQueries({ queryKey: invitationsQuery.queryKey });
    });
    return () => {
      deaf();
      leave();
    };
  }, []);
  useOffer(may ? [{ id: "invitations.create", keys: "c", label: t("invitations.invite"), group: t("keys.page"), run: () => inviting(true) }] : []);
  const action = <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={() => inviting(true)} why={why}>{t("invitations.invite")}</Act>;
  const take = async () => {
    if (!taking) return;
    await withdraw(taking.id);
    toast(t("invitations.withdrawn", { name: taking.name ?? "" }));
    await query.refetch();
  };
  const items = query.data?.pages.flatMap((one) => one.items) ?? [];
  return (
    <PageFrame title={t("nav.invitations")} name={t("nav.invitations")} actions={action}>
      <div className={page.narrow}>
        {query.error && !query.data && <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />}
        {!query.error && (
          <Card flush>
            {!query.data && <Lines count={4} height={44} />}
            {query.data && items.length === 0 && <EmptyState icon="users" title={t("invitations.empty.title")} text={t("invitations.empty.text")}>{action}</EmptyState>}
            {items.length > 0 && (
              <ul className={css.list} data-testid="invitations">
                {items.map((item) => (
                  <Row key={item.id} item={item} onWithdraw={() => setTaking(item)} onSent={() => void query.refetch()} />
                ))}
              </ul>
            )}
          </Card>
        )}
        {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
      </div>
      <Suspense>{create && may && <Invite onClose={() => inviting(false)} onInvited={() => void query.refetch()} />}</Suspense>
      <ConfirmWithImpact open={taking !== null} onClose={() => setTaking(null)} title={t("invitations.withdraw.title", { name: taking?.name ?? "" })} text={t("invitations.withdraw.text")} action={t("invitations.withdraw")} run={take} />
    </PageFrame>
  );
}

function Row({ item, onWithdraw, onSent }: { item: Invitation; onWithdraw: () => void; onSent: () => void }) {
  const [busy, setBusy] = useState(false);
  const can = (act: string) => item.can?.includes(act);
  const again = async () => {
    setBusy(true);
    try {
      await resend(item.id);
      toast(t("invitations.sentAgain", { name: item.name ?? "" }));
      onSent();
    } catch (error) {
      toast(asProblem(error).message);
    } finally {
      setBusy(false);
    }
  };
  const waits = item.state === "open" || item.state === "expired";
  return (
    <li>
      <div className={css.who}>
        <span className={css.name}>
          {waits || item.state === "accepted" ? <Link to="/users/$id" params={{ id: item.user_id }}>{item.name}</Link> : item.name}
          <StatePill state={item.state} />
        </span>
        <small>
          {item.masked?.includes("email") ? `${t("masked")} · ` : item.email && `${item.email} · `}
          {t("invitations.by", { name: item.created_by.name ?? t("actor.system") })}, <Time at={item.sent_at} />
          {item.state === "open" && <> · {t("invitations.goodFor")} <Until at={item.expires_at} /></>}
        </small>
      </div>
      <div className={css.acts}>
        {can("invitations.resend") && <Button variant="outlined" loading={busy} onClick={() => void again()}>{t("invitations.resend")}</Button>}
        {can("invitations.withdraw") && <Button variant="outlined" color="error" onClick={onWithdraw}>{t("invitations.withdraw")}</Button>}
      </div>
    </li>
  );
}
