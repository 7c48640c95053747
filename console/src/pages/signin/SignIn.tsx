import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { mayBeSignedIn, onSignedInElsewhere, whoIsSignedIn } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { type Asked, signInWithPasskey } from "../../auth/factors";
import { signIn, takeReason, takeWho } from "../../auth/session";
import { passkeysWork } from "../../auth/webauthn";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine, Lines } from "../../parts/states";
import mark from "../../theme/mark.svg";
import { OtherWays } from "./OtherWays";
import { ProviderButtons } from "./ProviderButtons";
import css from "./signin.module.css";

const SecondStep = lazy(() => import("./SecondStep"));

export default function SignIn() {
  const { next } = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  const router = useRouter();
  const [why, setWhy] = useState(takeReason);
  const [who] = useState(takeWho);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState<"password" | "passkey" | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  useEffect(() => {
    document.title = `${t("signin.title")} · Signalbox`;
  }, []);

  const enter = async () => {
    queries.clear();
    // Only a path of this console: an address from elsewhere must not be a way out.
    if (next?.startsWith("/") && !next.startsWith("//")) router.history.replace(next);
    else await navigate({ to: "/", replace: true });
  };
  // Whoever signs in in another tab goes on in this one, unless it was somebody else's.
  const goOn = async () => {
    if (!mayBeSignedIn()) return;
    const now = await whoIsSignedIn();
    if (now && who && now !== who) setWhy(t("signin.another"));
    else if (now) await enter();
  };
  const look = useRef(goOn);
  look.current = goOn;
  useEffect(() => {
    const shown = () => document.visibilityState === "visible" && void look.current();
    document.addEventListener("visibilitychange", shown);
    const end = onSignedInElsewhere(() => void look.current());
    // it may have been while this page was on its way
    if (who) void look.current();
    return () => {
      document.removeEventListener("visibilitychange", shown);
      end();
    };
  }, [who]);
  const attempt = async (how: "password" | "passkey", work: () => Promise<Asked | null>) => {
    setBusy(how);
    setProblem(null);
    try {
      const owed = await work();
      setPassword("");
      if (owed) setAsked(owed);
      else await enter();
    } catch (error) {
      setProblem(asProblem(error));
      setPassword("");
    } finally {
      setBusy(null);
    }
  };
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    void attempt("password", () => signIn(email.trim(), password));
  };
  const byPasskey = () => attempt("passkey", () => signInWithPasskey().then(() => null));

  return (
    <main className={css.page}>
      <div className={css.card}>
        <img src={mark} alt="" className={css.mark} />
        {asked ? (
          <Suspense fallback={<Lines count={3} height={44} />}>
            <SecondStep asked={asked} onDone={() => void enter()} onBack={() => setAsked(null)} />
          </Suspense>
        ) : (
          <>
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
              <Button type="submit" variant="contained" loading={busy === "password"} disabled={!email || !password || busy !== null}>
                {t("signin.action")}
              </Button>
              {passkeysWork() && (
                <Button type="button" variant="outlined" loading={busy === "passkey"} disabled={busy !== null} onClick={() => void byPasskey()}>
                  {t("signin.passkey")}
                </Button>
              )}
            </form>
            <ProviderButtons next={next} />
            <OtherWays />
          </>
        )}
      </div>
    </main>
  );
}
