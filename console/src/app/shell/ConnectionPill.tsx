import { t } from "../../i18n";
import { usePill } from "../../live/pill";
import { ago, Hint, useNow } from "../../parts/basics";
import { usePhone } from "../../parts/usePhone";
import css from "./shell.module.css";

export function ConnectionPill() {
  const { state, lastEvent, resumedEvents } = usePill();
  const now = useNow();
  const phone = usePhone();
  const age = lastEvent ? ago(lastEvent, Math.max(now, lastEvent)) : null;
  const shown = {
    connecting: [css.busy, t("pill.connecting")],
    live: [css.live, age && !phone ? t("pill.liveAge", { age }) : t("pill.live")],
    reconnecting: [css.busy, t("pill.reconnecting")],
    resumed: [css.told, t("pill.resumed", { n: resumedEvents })],
    refetched: [css.told, t("pill.refetched")],
    ended: [css.over, t("pill.ended")],
  }[state];
  return (
    <Hint text={t(`pill.${state}.more`)}>
      <span className={`${css.link} ${shown[0]}`} data-state={state} role="status" aria-label={state === "live" ? t("pill.live") : shown[1]}>
        {shown[1]}
      </span>
    </Hint>
  );
}
