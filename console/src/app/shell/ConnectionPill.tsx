/** How true the screen is, in a word; the card behind it tells of the connection itself. */
import { lazy, Suspense, useCallback, useEffect, useId, useRef, useState } from "react";
import { t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { type Pill, usePill } from "../../live/pill";
import { ago, useNow } from "../../parts/basics";
import { usePhone } from "../../parts/usePhone";
import css from "./shell.module.css";

const ConnectionCard = lazy(() => import("./ConnectionCard"));

/** How long the pointer rests before the card shows, and may be away before it goes, in milliseconds. */
const REST = 250;

const TONES: Record<Pill["state"], string | undefined> = {
  connecting: css.busy,
  live: css.live,
  reconnecting: css.busy,
  resumed: css.told,
  refetched: css.told,
  stopped: css.over,
  ended: css.over,
};

export function ConnectionPill() {
  const pill = usePill();
  const { state, lastEvent, resumedEvents } = pill;
  const now = useNow();
  const phone = usePhone();
  const id = useId();
  const { box, open, pointed, toggle } = useCard();
  const words = t(`pill.${state}`, { n: resumedEvents });
  const aged = state === "live" && lastEvent && !phone ? t("pill.liveAge", { age: ago(lastEvent, Math.max(now, lastEvent)) }) : words;
  return (
    <div ref={box} className={css.linkBox} onPointerEnter={pointed} onPointerLeave={pointed}>
      <button type="button" className={`${css.link} ${TONES[state] ?? ""}`} data-state={state} aria-label={t("pill.label", { state: aged })} aria-expanded={open} aria-controls={open ? id : undefined} onClick={toggle}>
        {aged}
      </button>
      {/* The age is left out: it would be read aloud every second. */}
      <span className="visually-hidden" role="status">{words}</span>
      <Suspense>{open && <ConnectionCard id={id} pill={pill} />}</Suspense>
    </div>
  );
}

/** Open while the pointer rests on it, or once it was pressed until it is pressed again, left or dismissed. */
function useCard() {
  const box = useRef<HTMLDivElement>(null);
  const [hovered, setHovered] = useState(false);
  const [pinned, setPinned] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const close = useCallback(() => {
    clearTimeout(timer.current);
    setHovered(false);
    setPinned(false);
  }, []);
  const pointed = useCallback((event: React.PointerEvent) => {
    if (event.pointerType !== "mouse") return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setHovered(event.type === "pointerenter"), REST);
  }, []);
  const open = hovered || pinned;
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open, close]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useOffer(open ? [{ id: "link.close", keys: "escape", label: t("close"), group: t("keys.general"), run: close, keyOnly: true }] : []);
  const toggle = () => (pinned ? close() : setPinned(true));
  return { box, open, pointed, toggle };
}
