/** Through whom people sign in. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Provider } from "../../api/types";
import { queries } from "../../app/queries";
import { PageFrame } from "../../app/shell/PageFrame";
import { useWhy } from "../../auth/session";
import { t, tOr } from "../../i18n";
import "../../i18n/providers";
import { useOffer } from "../../keys/registry";
import { holdChannel, tapArrivals } from "../../live/store";
import { Act } from "../../parts/Act";
import { Card, Id, Pill } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorLine, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import page from "../account/account.module.css";
import css from "./providers.module.css";
import { deleteProvider, providersQuery, testProvider } from "./queries";

const ProviderForm = lazy(() => import("./ProviderForm"));

const CHANNEL = "feed:providers";

export default function Providers() {
  const query = useQuery(providersQuery);
  const why = useWhy("providers:manage");
  const [editing, setEditing] = useState<Provider | "new" | null>(null);
  const [removing, setRemoving] = useState<Provider | null>(null);
  useEffect(() => {
    const leave = holdChannel(CHANNEL);
    const deaf = tapArrivals((channel) => {
      if (channel === CHANNEL) void queries.invalidateQueries({ queryKey: providersQuery.queryKey });
    });
    return () => {
      deaf();
      leave();
    };
  }, []);
  useOffer(why === null ? [{ id: "providers.add", keys: "c", label: t("providers.add"), group: t("keys.page"), run: () => setEditing("new") }] : []);
  const action = <Act variant="contained" startIcon={<Icon name="plus" small />} onClick={() => setEditing("new")} why={why}>{t("providers.add")}</Act>;
  const remove = async () => {
    if (!removing) return;
    await deleteProvider(removing);
    toast(t("providers.deleted", { name: removing.name }));
    await query.refetch();
  };
  const { data } = query;
  return (
    <PageFrame title={t("nav.providers")} name={t("nav.providers")} actions={action}>
      <div className={page.narrow}>
        {query.error && !data && <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />}
        {!data && !query.error && <Lines count={4} height={44} />}
        {data?.items.length === 0 && <Card flush><EmptyState icon="account" title={t("providers.empty.title")} text={t("providers.empty.text")}>{action}</EmptyState></Card>}
        {data?.items.map((provider) => <One key={provider.id} provider={provider} onChange={() => setEditing(provider)} onDelete={() => setRemoving(provider)} />)}
      </div>
      <Suspense>{editing && <ProviderForm provider={editing === "new" ? null : editing} onClose={() => setEditing(null)} onSaved={() => void query.refetch()} />}</Suspense>
      <ConfirmWithImpact open={removing !== null} onClose={() => setRemoving(null)} title={t("providers.delete.title", { name: removing?.name })} text={t("providers.delete.text")} action={t("providers.delete")} run={remove} />
    </PageFrame>
  );
}

function One({ provider, onChange, onDelete }: { provider: Provider; onChange: () => void; onDelete: () => void }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const may = (act: string) => provider.can?.includes(act);
  const test = async () => {
    setBusy(true);
    setProblem(null);
    setWrong(null);
    try {
      const tested = await testProvider(provider.id);
      if (tested.works) toast(t("providers.test.works", { name: provider.name, n: tested.keys }));
      else setWrong(tested.detail);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={provider.name}>
      <div className={parts.stack} data-testid="provider">
        <div className={css.head}>
          <Pill tone={provider.enabled ? "ok" : "idle"}>{provider.enabled ? t("providers.on") : t("providers.off")}</Pill>
          <span className={parts.muted}>{tOr(`providers.kind.${provider.kind}`, provider.kind)}</span>
          <code className={parts.code}>{provider.issuer}</code>
        </div>
        {provider.kind === "oidc" && <Registered provider={provider} />}
        {wrong && <p className={parts.fieldError} role="alert">{wrong}</p>}
        <ErrorLine problem={problem} />
        {provider.can && provider.can.length > 0 && (
          <div className={css.actions}>
            {may("providers.test") && <Button variant="outlined" loading={busy} onClick={() => void test()}>{t("providers.test")}</Button>}
            {may("providers.update") && <Button variant="outlined" onClick={onChange}>{t("providers.change")}</Button>}
            {may("providers.delete") && <Button variant="outlined" color="error" onClick={onDelete}>{t("providers.delete")}</Button>}
          </div>
        )}
      </div>
    </Card>
  );
}

/** What must be told to the provider. */
function Registered({ provider }: { provider: Provider }) {
  if (!provider.redirect_uri) return <p className={parts.stale}>{t("providers.address.none")}</p>;
  return (
    <>
      <div>
        <small className={parts.muted}>{t("providers.copy.redirect")}</small>
        <div><Id value={provider.redirect_uri} /></div>
      </div>
      {provider.backchannel_logout_uri && (
        <div>
          <small className={parts.muted}>{t("providers.copy.logout")}</small>
          <div><Id value={provider.backchannel_logout_uri} /></div>
        </div>
      )}
    </>
  );
}
