/** The small shared parts: every state a pill, every time a Time, every id an Id, every number of weight a Stat. */
import { type LinkProps, Link } from "@tanstack/react-router";
import { memo, type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { number, t, tOr } from "../i18n";
import { keyLabel } from "../keys/registry";
import { copy } from "./copy";
import { dayOf, wholeTime } from "./times";
import css from "./parts.module.css";
import { Icon } from "./Icon";

export type Tone = "ok" | "warn" | "bad" | "info" | "idle";

/** The one table of states and their tones. */
const TONES: Record<string, Tone> = {
  active: "ok", invited: "info", suspended: "warn", banned: "bad",
  waiting: "idle", running: "info", paused: "idle", retrying: "warn", succeeded: "ok", failed: "bad", cancelled: "idle", quarantined: "bad",
  open: "info", accepted: "ok", withdrawn: "idle",
  expiring: "warn", expired: "idle", revoked: "bad",
  starting: "info", restarting: "warn", stopped: "idle", ready: "ok",
};

/** `actor` states share words with jobs but not their tone: a running actor is well, a running job is busy. */
export const StatePill = memo(function StatePill({ state, of }: { state: string; of?: "actor" }) {
  const tone = of === "actor" && state === "running" ? "ok" : (TONES[state] ?? "idle");
  return <span className={`${css.pill} ${css[tone]}`}>{tOr(`state.${state}`, state)}</span>;
});

export function Pill({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`${css.pill} ${css[tone]}`}>{children}</span>;
}

const FACES = ["accent", "ok", "warn", "bad", "info"] as const;

export const Face = memo(function Face({ name, id }: { name: string; id: string }) {
  const words = name.trim().split(/\s+/);
  const initials = `${words[0]?.[0] ?? "?"}${words.length > 1 ? (words.at(-1)?.[0] ?? "") : ""}`.toUpperCase();
  const tone = FACES[[...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % FACES.length] ?? "accent";
  return (
    // The letters are drawn by the stylesheet: they are a picture, not a part of any name read aloud.
    <span className={`${css.face} ${css[tone]}`} data-initials={initials} aria-hidden="true" />
  );
});

// One clock for all times on the screen, ticking only while the tab is seen.
let now = Date.now();
const clock = new Set<() => void>();
setInterval(() => {
  if (document.hidden) return;
  now = Date.now();
  for (const listener of clock) listener();
}, 1000);
const subscribe = (listener: () => void) => {
  clock.add(listener);
  return () => clock.delete(listener);
};
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);

export function ago(from: number, to: number): string {
  const seconds = Math.max(0, Math.round((to - from) / 1000));
  if (seconds < 60) return t("time.seconds", { n: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("time.minutes", { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return t("time.hours", { n: hours });
  return t("time.days", { n: Math.floor(hours / 24) });
}

/** What is older is told by its day: nobody counts back 400 days. */
const RECENT = 30 * 86_400_000;

export const Time = memo(function Time({ at }: { at: string | null | undefined }) {
  // The selector rounds to what is shown, so a row renders again only when its words change.
  const stamp = at ? Date.parse(at) : Number.NaN;
  const words = useSyncExternalStore(subscribe, () => (Number.isNaN(stamp) ? "–" : now - stamp > RECENT ? dayOf(stamp) : ago(stamp, now)));
  if (Number.isNaN(stamp)) return <span className={css.muted}>–</span>;
  return (
    <time className={css.time} dateTime={at ?? ""} title={wholeTime(stamp)}>
      {words}
    </time>
  );
});

/** How long something took or takes, in words. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** `whole`: what must be read letter by letter takes more lines and is not cut off. */
export function Id({ value, whole }: { value: string; whole?: boolean }) {
  return (
    <button type="button" className={`${css.id} ${whole ? css.whole : ""}`} onClick={() => void copy(value)} title={value} aria-label={t("id.copy", { id: value })}>
      <span>{value}</span>
      <Icon name="copy" small />
    </button>
  );
}

export function Keys({ keys }: { keys: string }) {
  return (
    <span className={css.keys}>
      {keyLabel(keys).map((key) => (
        <kbd key={key} className={css.kbd}>
          {key}
        </kbd>
      ))}
    </span>
  );
}

/** A hint grows to where there is room: what it stands in cuts off what reaches beyond its edge. */
function towardsTheMiddle({ currentTarget: hint }: React.SyntheticEvent<HTMLElement>): void {
  const middle = (box: DOMRect) => box.left + box.width / 2;
  const around = hint.closest("main, aside, [role=dialog]") ?? document.documentElement;
  hint.dataset.grows = middle(hint.getBoundingClientRect()) < middle(around.getBoundingClientRect()) ? "right" : "left";
}

/** A tooltip that also tells the key; shown on hover and on focus. The control names itself to screen readers. */
export function Hint({ text, keys, children }: { text: string; keys?: string; children: ReactNode }) {
  return (
    <span className={css.hint} data-hint={keys ? `${text} · ${keyLabel(keys).join(" ")}` : text} onPointerEnter={towardsTheMiddle} onFocus={towardsTheMiddle}>
      {children}
    </span>
  );
}

function Spark({ values: known }: { values: number[] }) {
  if (known.length === 0) return <svg className={css.spark} aria-hidden="true" />;
  // One value is a level line: nothing has changed since the page was opened.
  const values = known.length === 1 ? [...known, ...known] : known;
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const points = values.map((value, index) => `${(index / (values.length - 1)) * 100},${(30 - ((value - low) / span) * 28).toFixed(2)}`);
  return (
    <svg className={css.spark} viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden="true">
      <path d={`M${points.join("L")}`} />
    </svg>
  );
}

export function Stat({ label, value, note, curve, to }: { label: string; value: number | null; note: string; curve?: number[]; to?: LinkProps }) {
  const inside = (
    <>
      <span className={css.statLabel}>{label}</span>
      <span className={css.statNumber}>{value === null ? "–" : number(value)}</span>
      <span className={css.statNote}>{note}</span>
      {curve && <Spark values={curve} />}
    </>
  );
  if (!to) return <div className={`${css.card} ${css.stat}`}>{inside}</div>;
  return (
    <Link {...to} className={`${css.card} ${css.stat}`}>
      {inside}
    </Link>
  );
}

export function Card({ title, aside, children, flush }: { title?: string; aside?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={css.card}>
      {title !== undefined && (
        <header className={css.cardHead}>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {flush ? children : <div className={css.cardBody}>{children}</div>}
    </section>
  );
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className={css.facts}>
      {facts.map(([label, value]) => [<dt key={`${label}.`}>{label}</dt>, <dd key={label}>{value ?? "–"}</dd>])}
    </dl>
  );
}

export function Raw({ value }: { value: unknown }) {
  return (
    <pre className={css.raw} tabIndex={0} role="region" aria-label={t("raw.label")}>
      {JSON.stringify(value, null, 2)}
    </pre>
  );
}

/** A value that lags behind typing, so that a filter asks the hub when the person pauses. */
export function useLater<T>(value: T, milliseconds: number): T {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return later;
}
