/** What a person says of themselves, as far as they show it to me. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { api, must, once } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { NewWallet, Profile, Wallet } from "../../api/types";
import { queries } from "../../app/queries";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/joining";
import { tapArrivals } from "../../live/store";
import { Card, Facts } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { type Field, FIELDS, LABELS } from "../account/profile";
import { Wallets } from "../account/Wallets";
import css from "./users.module.css";

const profileOf = (id: string) => ({ queryKey: ["profile", id], queryFn: (): Promise<Profile> => must(api.GET("/api/v1/users/{id}/profile", { params: { path: { id } } })), staleTime: 0 });

export default function AboutTab({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(profileOf(id));
  useEffect(
    () =>
      // Events name no value, so what has changed is asked for.
      tapArrivals((channel) => {
        if (channel === "feed:users") void queries.invalidateQueries({ queryKey: ["profile", id] });
      }),
    [id],
  );
  if (error) return <ErrorState problem={asProblem(error)} retry={() => void refetch()} />;
  if (!data) return <Lines count={5} height={28} />;
  const masked = new Set(data.masked);
  const said = masked.size > 0 || FIELDS.some((field) => data[field]);
  /** A field's value; to whoever answers for the person with what they decided on. */
  const shown = (field: Field, value: ReactNode): ReactNode => {
    if (masked.has(field)) return <span className={parts.muted}>{t("about.hidden")}</span>;
    if (!value || !data.privacy) return value || null;
    return (
      <>
        {value}
        <small className={css.to}>{t(`privacy.to.${data.privacy[field]}`)}</small>
      </>
    );
  };
  return (
    <div className={parts.stack}>
      {said ? (
        <Facts
          facts={[
            ...FIELDS.map((field): [string, ReactNode] => [t(field === "bio" ? "about.bio" : LABELS[field]), shown(field, data[field])]),
            ...(masked.has("wallets") ? [[t("profile.wallets"), <span key="hidden" className={parts.muted}>{t("about.hidden")}</span>] as [string, ReactNode]] : []),
          ]}
        />
      ) : (
        <Card flush><EmptyState icon="account" title={t("about.empty.title")} text={t("about.empty.text")} /></Card>
      )}
      {data.wallets && <WalletsOf id={id} profile={data} wallets={data.wallets} />}
    </div>
  );
}

/** Their wallets, linked and unlinked by whoever may change their profile. */
function WalletsOf({ id, profile, wallets }: { id: string; profile: Profile; wallets: Wallet[] }) {
  const { permissions, limited } = useMe();
  const held = [...permissions, ...limited].includes("profiles:update");
  const why = profile.can.includes("profiles.update") ? null : held ? t("user.above") : t("need", { permission: "profiles:update" });
  const { queryKey } = profileOf(id);
  const link = async (wallet: NewWallet) => {
    queries.setQueryData(queryKey, await must(api.POST("/api/v1/users/{id}/wallets", { params: { path: { id }, header: once() } as never, body: wallet })));
  };
  const unlink = async (wallet: Wallet) => {
    await must(api.DELETE("/api/v1/users/{id}/wallets/{wallet}", { params: { path: { id, wallet: wallet.id } } }));
    await queries.invalidateQueries({ queryKey });
  };
  return <Wallets wallets={wallets} note={profile.privacy && t(`privacy.to.${profile.privacy.wallets}`)} why={why} link={link} unlink={unlink} />;
}
