/** Says where a list of samples is not the whole truth: nodes that did not answer, or a reading that fails. */
import { t } from "../i18n";
import { ago, useNow } from "./basics";
import css from "./parts.module.css";

export function Stale({ missing, since }: { missing: string[]; since: number | null }) {
  const now = useNow();
  if (since !== null) return <p role="status" className={css.stale}>{t("samples.stale", { age: ago(since, Math.max(now, since)) })}</p>;
  if (missing.length > 0) return <p role="status" className={css.stale}>{t("samples.missing", { n: missing.length, nodes: missing.join(", ") })}</p>;
  return null;
}
