/** What a page says when it has nothing to show: empty, failed, forbidden, offline. Each names the next step. */
import Button from "@mui/material/Button";
import Skeleton from "@mui/material/Skeleton";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Problem } from "../api/problem";
import { permissions } from "../auth/session";
import { t, type TextId } from "../i18n";
import { Id } from "./basics";
import { Icon, type IconName } from "./Icon";
import css from "./parts.module.css";

export function EmptyState({ icon, title, text, children, heading: Heading = "h2" }: { icon: IconName; title: string; text: string; children?: ReactNode; heading?: "h1" | "h2" }) {
  return (
    <div className={css.state}>
      <span className={css.stateIcon}>
        <Icon name={icon} />
      </span>
      <Heading>{title}</Heading>
      <p>{text}</p>
      {children && <div className={css.stateActions}>{children}</div>}
    </div>
  );
}

/** Refused because one acts as somebody else: neither a role nor another try would help. */
const isTheirs = ({ code }: Problem): boolean => code === "impersonation.never";

function words(problem: Problem): [TextId, TextId, IconName] {
  if (problem.offline) return ["error.offline.title", "error.offline.text", "warn"];
  if (isTheirs(problem)) return ["error.acting.title", "error.acting.text", "account"];
  if (problem.status === 403) return ["error.forbidden.title", "error.forbidden.text", "ban"];
  if (problem.status === 404 || problem.status === 410) return ["error.missing.title", "error.missing.text", "search"];
  return ["error.failed.title", "error.failed.text", "warn"];
}

export function ErrorState({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const [title, text, icon] = words(problem);
  return (
    <div className={css.state} role="alert">
      <span className={css.stateIcon}>
        <Icon name={icon} />
      </span>
      <h2>{t(title)}</h2>
      <p>{t(text)}</p>
      {!problem.offline && !isTheirs(problem) && problem.code !== "internal" && <p className={css.small}>{problem.message}</p>}
      {problem.unexpected && problem.traceId && (
        <p className={css.row}>
          <span className={css.small}>{t("error.trace")}</span>
          <Id value={problem.traceId} />
        </p>
      )}
      <Refusal problem={problem} />
      {retry && !isTheirs(problem) && (
        <div className={css.stateActions}>
          <Button variant="outlined" onClick={retry} startIcon={<Icon name="refresh" small />}>
            {t("error.retry")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** By its id whoever may see roles learns why this was refused; everybody else can hand it to them. */
function Refusal({ problem: { explainId, explainable } }: { problem: Problem }) {
  if (!explainId || !explainable) return null;
  return (
    <p className={css.row}>
      <span className={css.small}>{t("error.explainId")}</span>
      <Id value={explainId} />
      {permissions().has("roles:read") && <Link to="/refusals/$id" params={{ id: explainId }}>{t("error.explain")}</Link>}
    </p>
  );
}

/** An error inside a form or a dialog: one line; an id only where somebody can do something with it. */
export function ErrorLine({ problem }: { problem: Problem | null }) {
  if (!problem) return null;
  return (
    <div role="alert">
      <p className={css.fieldError}>
        {problem.offline ? t("error.offline.text") : problem.message}
        {problem.retryAfter !== null && ` ${t("error.retryAfter", { n: problem.retryAfter })}`}
        {problem.unexpected && problem.traceId && ` ${t("error.traceLine", { id: problem.traceId })}`}
      </p>
      <Refusal problem={problem} />
    </div>
  );
}

export function Lines({ count, height = 20 }: { count: number; height?: number }) {
  return (
    <div className={css.stack} aria-busy="true" aria-label={t("loading")} role="status">
      {Array.from({ length: count }, (_, index) => (
        <Skeleton key={index} variant="rounded" height={height} />
      ))}
    </div>
  );
}
