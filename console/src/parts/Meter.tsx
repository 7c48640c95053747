import css from "./meter.module.css";

/** A share as a bar. `share` from 0 to 1, null while it is not known; moves by transform only. */
export function Meter({ share, label, bad }: { share: number | null; label: string; bad?: boolean }) {
  const shown = share === null ? undefined : Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <span className={`${css.track} ${bad ? css.bad : ""}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={shown}>
      <span className={shown === undefined ? css.unknown : css.bar} style={shown === undefined ? undefined : { transform: `scaleX(${share ?? 0})` }} />
    </span>
  );
}
