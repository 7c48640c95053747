/** Wallets of one person: one's own in "My account", somebody's on their page. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { type ReactNode, useState } from "react";
import type { NewWallet, Wallet } from "../../api/types";
import { t } from "../../i18n";
import "../../i18n/joining";
import { Act } from "../../parts/Act";
import { Card, Id } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Choice, Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { useSaving } from "../settings/useSaving";
import css from "./account.module.css";
import { CHAINS } from "./profile";

interface Props {
  wallets: Wallet[];
  /** To whom they are shown. */
  note?: ReactNode;
  /** Why they cannot be changed; null where they can. */
  why: string | null;
  link: (wallet: NewWallet) => Promise<unknown>;
  unlink: (wallet: Wallet) => Promise<unknown>;
}

export function Wallets({ wallets, note, why, link, unlink }: Props) {
  const [linking, setLinking] = useState(false);
  const [removing, setRemoving] = useState<Wallet | null>(null);
  const remove = async () => {
    if (!removing) return;
    await unlink(removing);
    toast(t("wallets.unlinked"));
  };
  return (
    <Card flush title={t("profile.wallets")} aside={<Act variant="outlined" startIcon={<Icon name="plus" small />} onClick={() => setLinking(true)} why={why}>{t("wallets.link")}</Act>}>
      {wallets.length === 0 && <p className={css.none}>{t("wallets.none")}</p>}
      {wallets.length > 0 && (
        <ul className={css.list} data-testid="wallets">
          {wallets.map((wallet) => (
            <li key={wallet.id}>
              <span className={css.stacked}>
                <b>{wallet.label || t(`chain.${wallet.chain}`)}</b>
                {wallet.label && <small>{t(`chain.${wallet.chain}`)}</small>}
                <Id value={wallet.address} whole />
              </span>
              {why === null && <Button variant="text" color="error" onClick={() => setRemoving(wallet)}>{t("wallets.unlink")}</Button>}
            </li>
          ))}
        </ul>
      )}
      {note && wallets.length > 0 && <p className={css.below}>{note}</p>}
      {linking && <Linking link={link} onClose={() => setLinking(false)} />}
      <ConfirmWithImpact
        open={removing !== null}
        onClose={() => setRemoving(null)}
        title={t("wallets.unlink.title", { chain: removing && t(`chain.${removing.chain}`) })}
        text={<><p className={parts.secret}>{removing?.address}</p><p className={parts.muted}>{t("wallets.unlink.text")}</p></>}
        action={t("wallets.unlink")}
        run={remove}
      />
    </Card>
  );
}

function Linking({ link, onClose }: Pick<Props, "link"> & { onClose: () => void }) {
  const [chain, setChain] = useState<NewWallet["chain"]>(CHAINS[0]);
  const [address, setAddress] = useState("");
  const [label, setLabel] = useState("");
  const { busy, submit, told, problem } = useSaving(async () => {
    await link({ chain, address: address.trim(), label: label.trim() });
    onClose();
  }, t("wallets.linked"));
  // whose it is already is about the address, though the hub blames no field for it
  const taken = problem?.code === "wallet.taken" ? problem.message : undefined;
  return (
    <Dialog open onClose={busy ? undefined : onClose} maxWidth="xs" fullWidth aria-labelledby="wallet-title">
      <form onSubmit={submit}>
        <DialogTitle id="wallet-title">{t("wallets.link.title")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Choice label={t("wallets.chain")} value={chain} onValue={(value) => setChain(value as NewWallet["chain"])} options={CHAINS.map((value) => ({ value, label: t(`chain.${value}`) }))} />
            <Field label={t("wallets.address")} value={address} onValue={setAddress} mono required autoFocus error={told("address") ?? taken} />
            <Field label={t("wallets.label")} value={label} onValue={setLabel} error={told("label")} note={t("wallets.labelNote")} />
            {!taken && <ErrorLine problem={problem} />}
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={!address.trim()}>{t("wallets.link")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
