/** What may be done to one key, as buttons of its detail. */
import Button from "@mui/material/Button";
import { useState } from "react";
import type { ApiKey } from "../../api/types";
import { useMe, useWhy } from "../../auth/session";
import { t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { Act } from "../../parts/Act";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Choice } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { toast } from "../../parts/toast";
import EditKey from "./EditKey";
import { revokeKey, rotateKey } from "./queries";
import { Secret } from "./Secret";

const GRACES = [
  { value: "0", label: "keys.rotate.now" },
  { value: "3600", label: "keys.rotate.hour" },
  { value: "86400", label: "keys.rotate.day" },
  { value: "604800", label: "keys.rotate.week" },
] as const;

export function KeyActs({ row, onChanged }: { row: ApiKey; onChanged: () => void }) {
  const me = useMe();
  const why = useWhy("api_keys:manage");
  const [asked, setAsked] = useState<"edit" | "rotate" | "revoke" | null>(null);
  const [grace, setGrace] = useState("0");
  const [secret, setSecret] = useState<string | null>(null);
  const { name } = row;
  const may = (act: string) => row.can?.includes(act) ?? false;
  // whoever has a key's secret acts as its owner, so nobody else gets one
  const mayRotate = may("api_keys.rotate") && row.created_by.id === me.user.id;
  useOffer(may("api_keys.update") ? [{ id: "key.edit", keys: "e", label: t("keys.edit"), group: t("keys.page"), run: () => setAsked("edit") }] : []);
  const close = () => setAsked(null);
  const rotate = async () => {
    setSecret(await rotateKey(row, Number(grace)));
    onChanged();
  };
  const revoke = async (reason: string) => {
    await revokeKey(row, reason);
    toast(t("keys.revoke.done", { name }));
    onChanged();
  };
  return (
    <div className={parts.row}>
      {may("api_keys.update") && <Button variant="outlined" startIcon={<Icon name="edit" small />} onClick={() => setAsked("edit")}>{t("keys.edit")}</Button>}
      {(mayRotate || may("api_keys.update")) && <Act variant="outlined" onClick={() => setAsked("rotate")} why={mayRotate ? null : t("keys.rotate.why", { name: row.created_by.name ?? t("actor.someone") })}>{t("keys.rotate")}</Act>}
      {row.state !== "revoked" && !may("api_keys.revoke") && why && <p className={parts.note}>{why}</p>}
      {may("api_keys.revoke") && <Button variant="outlined" color="error" onClick={() => setAsked("revoke")}>{t("keys.revoke")}</Button>}
      {asked === "edit" && <EditKey row={row} onClose={close} onChanged={onChanged} />}
      <ConfirmWithImpact
        open={asked === "rotate"}
        onClose={close}
        title={t("keys.rotate.title", { name })}
        text={
          <div className={parts.stack}>
            <p className={parts.muted}>{t("keys.rotate.text")}</p>
            <Choice label={t("keys.rotate.grace")} value={grace} onValue={setGrace} options={GRACES.map(({ value, label }) => ({ value, label: t(label) }))} />
          </div>
        }
        action={t("keys.rotate")}
        danger={grace === "0"}
        run={rotate}
      />
      <ConfirmWithImpact open={asked === "revoke"} onClose={close} title={t("keys.revoke.title", { name })} text={t("keys.revoke.text")} reason={t("keys.revoke.reason")} action={t("keys.revoke")} run={revoke} />
      {secret && <Secret secret={secret} name={name} onDone={() => setSecret(null)} />}
    </div>
  );
}
