import Button from "@mui/material/Button";
import { useState } from "react";
import { api, must, once } from "../../api/client";
import type { Profile, Wallet } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import { Card, Id } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Choice, Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import rules from "../addresses/addresses.module.css";
import { useSaving } from "../settings/useSaving";
import { CHAINS, profileQuery } from "./profile";

/** Wallets that are mine. */
export function Wallets({ profile }: { profile: Profile }) {
  const [chain, setChain] = useState<string>(CHAINS[0]);
  const [address, setAddress] = useState("");
  const [label, setLabel] = useState("");
  const [removing, setRemoving] = useState<Wallet | null>(null);
  const { busy, submit, told, problem } = useSaving(async () => {
    const body = { chain, address: address.trim(), label: label.trim() };
    queries.setQueryData(profileQuery.queryKey, await must(api.POST("/api/v1/me/wallets", { params: { header: once() } as never, body: body as never })));
    setAddress("");
    setLabel("");
  });
  const remove = async () => {
    await must(api.DELETE("/api/v1/me/wallets/{id}", { params: { path: { id: removing?.id ?? "" } } }));
    await queries.invalidateQueries({ queryKey: profileQuery.queryKey });
  };
  const wallets = profile.wallets ?? [];
  return (
    <Card title={t("profile.wallets")}>
      {wallets.length > 0 && (
        <ul className={rules.rules}>
          {wallets.map((wallet) => (
            <li key={wallet.id}>
              <div className={parts.stack}>
                <b>{wallet.label || t(`chain.${wallet.chain}`)}</b>
                <Id value={wallet.address} />
                {wallet.label && <small>{t(`chain.${wallet.chain}`)}</small>}
              </div>
              <Button variant="outlined" color="error" onClick={() => setRemoving(wallet)}>{t("wallets.unlink")}</Button>
            </li>
          ))}
        </ul>
      )}
      <form className={parts.stack} onSubmit={submit}>
        <Choice label={t("wallets.chain")} value={chain} onValue={setChain} options={CHAINS.map((value) => ({ value, label: t(`chain.${value}`) }))} />
        <Field label={t("wallets.address")} value={address} onValue={setAddress} mono required error={told("address")} />
        <Field label={t("wallets.label")} value={label} onValue={setLabel} error={told("label")} />
        <ErrorLine problem={problem} />
        <div>
          <Button type="submit" variant="outlined" loading={busy} disabled={!address.trim()}>{t("wallets.link")}</Button>
        </div>
      </form>
      <ConfirmWithImpact open={removing !== null} onClose={() => setRemoving(null)} title={t("wallets.unlink.title")} text={removing?.address} action={t("wallets.unlink")} run={remove} />
    </Card>
  );
}
