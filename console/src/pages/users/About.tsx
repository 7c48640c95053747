/** What a person says of themselves, as far as they show it to me. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { Profile } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import "../../i18n/joining";
import { tapArrivals } from "../../live/store";
import { Facts, Id } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { type Field, FIELDS, LABELS } from "../account/profile";
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
  const said = [...FIELDS, "wallets" as const].some((field) => masked.has(field) || (field === "wallets" ? (data.wallets?.length ?? 0) > 0 : data[field]));
  if (!said) return <EmptyState icon="account" title={t("about.empty.title")} text={t("about.empty.text")} />;
  const wallets = data.wallets?.map((wallet) => (
    <div key={wallet.id}>
      {wallet.label || t(`chain.${wallet.chain}`)} <Id value={wallet.address} />
    </div>
  ));
  /** A field's value; to whoever answers for the person with what they decided on. */
  const shown = (field: Field | "wallets", value: ReactNode): ReactNode => {
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
    <Facts
      facts={[
        ...FIELDS.map((field): [string, ReactNode] => [t(field === "bio" ? "about.bio" : LABELS[field]), shown(field, data[field])]),
        [t("profile.wallets"), shown("wallets", wallets?.length ? wallets : null)],
      ]}
    />
  );
}
