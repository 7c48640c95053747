/** Across the whole frame while an operator acts as somebody else: as whom, for how long, and the ways on and back. */
import Button from "@mui/material/Button";
import { useState } from "react";
import type { Me } from "../../api/types";
import { beOneself, elevate } from "../../auth/acting";
import { meQuery } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/custody";
import "../../i18n/people";
import { useNow } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import { queries } from "../queries";
import css from "./acting.module.css";

export default function ActingBanner({ me, acting }: { me: Me; acting: NonNullable<Me["impersonation"]> }) {
  const now = useNow();
  const [asking, setAsking] = useState(false);
  const [ending, setEnding] = useState(false);
  const elevated = acting.elevated_until ? left(acting.elevated_until, now) : null;
  const end = () => {
    setEnding(true);
    void beOneself(`/users?open=${me.user.id}`);
  };
  return (
    <section className={css.acting} aria-label={t("acting.label")} data-testid="acting">
      <p>
        <Icon name="warn" small />
        <b>{t("acting.as", { name: me.user.name })}</b>
        <span className={css.more}>{t("acting.more", { by: acting.by.name, reason: acting.reason })}</span>
      </p>
      <span className={css.time}>
        {elevated ? t("acting.elevated", { left: elevated }) : t("acting.readOnly")} · {t("acting.left", { left: left(acting.expires_at, now) ?? "0:00" })}
      </span>
      {!elevated && <Button variant="outlined" color="inherit" onClick={() => setAsking(true)}>{t("acting.elevate")}</Button>}
      <Button variant="outlined" color="inherit" loading={ending} onClick={end}>{t("acting.end")}</Button>
      <ConfirmWithImpact
        open={asking}
        onClose={() => setAsking(false)}
        title={t("acting.elevate.title", { name: me.user.name })}
        text={t("acting.elevate.text")}
        reason={t("ban.reason")}
        reasonNote={t("acting.reasonNote")}
        action={t("acting.elevate")}
        run={async (reason) => {
          await elevate(reason);
          await queries.refetchQueries({ queryKey: meQuery.queryKey });
        }}
      />
    </section>
  );
}

/** Minutes and seconds until then; null where that is over. */
function left(until: string, now: number): string | null {
  const seconds = Math.ceil((Date.parse(until) - now) / 1000);
  if (seconds <= 0) return null;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
