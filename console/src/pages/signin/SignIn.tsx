import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { signIn, takeReason } from "../../auth/session";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine } from "../../parts/states";
import mark from "../../theme/mark.svg";
import { OtherWays } from "./OtherWays";
import { ProviderButtons } from "./ProviderButtons";
import css from "./signin.module.css";

export default function SignIn() {
  const { next } = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  const router = useRouter();
  const [why] = useState(takeReason);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    document.title = `${t("signin.title")} · Signalbox`;
  }, []);

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(email.trim(), password);
      queries.clear();
      // Only a path of this console: an address from elsewhere must not be a way out.
      if (next?.startsWith("/") && !next.startsWith("//")) router.history.replace(next);
      else await navigate({ to: "/", replace: true });
    } catch (error) {
      setProblem(asProblem(error));
      setPassword("");
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className={css.page}>
      <div className={css.card}>
        <img src={mark} alt="" className={css.mark} />
        <h1>{t("signin.title")}</h1>
        <p>{t("signin.text")}</p>
        {why && (
          <Alert severity="info" icon={false} className={css.why}>
            {why}
          </Alert>
        )}
        <form className={css.form} onSubmit={submit}>
          <Field label={t("field.email")} type="email" autoComplete="username" autoFocus value={email} onValue={setEmail} required />
          <Field label={t("field.password")} type="password" autoComplete="current-password" value={password} onValue={setPassword} required />
          <ErrorLine problem={problem} />
          <Button type="submit" variant="contained" loading={busy} disabled={!email || !password}>
            {t("signin.action")}
          </Button>
        </form>
        <ProviderButtons next={next} />
        <OtherWays />
      </div>
    </main>
  );
}
