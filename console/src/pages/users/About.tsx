/** What a person says of themselves, as far as they show it to me. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { Profile } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import "../../i18n/joining";
import { tapArrivals } from "../../live/store";
import { Facts, Id } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { FIELDS, LABELS } from "../account/profile";

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
  return (
    <Facts
      facts={[
        ...FIELDS.map((field): [string, string | null] => [t(LABELS[field]), masked.has(field) ? t("about.hidden") : (data[field] ?? null)]),
        [t("profile.wallets"), masked.has("wallets") ? t("about.hidden") : wallets?.length ? wallets : null],
      ]}
    />
  );
}
