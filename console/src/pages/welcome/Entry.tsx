/** The frame of pages for whoever has not signed in: what comes by a link in a mail. */
import { type ReactNode, useEffect, useState } from "react";
import { useNavigate } from "@tanstack/react-router";
import { keepCsrf } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { keepReason } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/joining";
import { Field } from "../../parts/Field";
import mark from "../../theme/mark.svg";
import css from "../signin/signin.module.css";

export function Entry({ title, text, children }: { title: string; text?: string; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Signalbox`;
  }, [title]);
  return (
    <main className={css.page}>
      <div className={css.card}>
        <img src={mark} alt="" className={css.mark} />
        <h1>{title}</h1>
        {text && <p>{text}</p>}
        {children}
      </div>
    </main>
  );
}

/** The token behind the `#`. It is taken out of the address at once, so that it stays in no history. */
export function useLinkToken(): string {
  const [token] = useState(() => location.hash.slice(1));
  useEffect(() => {
    if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  }, []);
  return token;
}

/** Coming in: what the hub answers is a session, or the wish for a second factor, which the sign-in page asks for. */
export function useComingIn() {
  const navigate = useNavigate();
  return async (call: Promise<{ data?: unknown; error?: unknown; response: Response }>, problemOf: (error: unknown, response: Response) => Problem) => {
    const { data, error, response } = await call;
    if (!response.ok) throw problemOf(error, response);
    queries.clear();
    if (response.status === 202) {
      keepReason(t("welcome.factor"));
      await navigate({ to: "/sign-in", replace: true });
      return;
    }
    keepCsrf((data as { csrf_token?: string }).csrf_token);
    await navigate({ to: "/", replace: true });
  };
}

/** A form on such a page: whether it is on its way, and what is wrong with it. */
export function useForm(run: () => Promise<unknown>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const submit = async (event?: React.FormEvent) => {
    event?.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  return { busy, submit, told, problem: problem && problem.fields.length === 0 ? problem : null };
}

/** Two fields for a password to be chosen. */
export function NewPassword({ next, again, onNext, onAgain, error }: { next: string; again: string; onNext: (value: string) => void; onAgain: (value: string) => void; error?: string }) {
  const differs = again !== "" && again !== next;
  return (
    <>
      <Field label={t("welcome.password")} type="password" autoComplete="new-password" value={next} onValue={onNext} required error={error} note={t("welcome.passwordNote")} />
      <Field label={t("welcome.again")} type="password" autoComplete="new-password" value={again} onValue={onAgain} required error={differs ? t("welcome.differs") : undefined} />
    </>
  );
}
