/** Where a provider sends people back to: what it gave is handed to the hub at once, and its address is forgotten. */
import Button from "@mui/material/Button";
import { Link, useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { type Back, comeBack } from "../../auth/providers";
import { isLink, type Returned } from "../../auth/returned";
import { t } from "../../i18n";
import { ErrorLine, Lines } from "../../parts/states";
import mark from "../../theme/mark.svg";
import css from "./signin.module.css";

const SecondStep = lazy(() => import("./SecondStep"));

/** A code is good once, however often the page is drawn. */
let handed: { state: string; back: Promise<Back> } | null = null;

function once(returned: Returned): Promise<Back> {
  if (handed?.state !== returned.state) handed = { state: returned.state, back: comeBack(returned) };
  return handed.back;
}

export default function Callback() {
  const { state = "", code, iss, error } = useSearch({ from: "/sign-in/callback" });
  const router = useRouter();
  const navigate = useNavigate();
  const [problem, setProblem] = useState<Problem | null>(null);
  /** Of whoever owes a second factor still. */
  const [back, setBack] = useState<Back | null>(null);
  const returned: Returned = { state, code, iss, error };
  const enter = (next: string) => {
    queries.clear();
    router.history.replace(next);
  };
  useEffect(() => {
    document.title = `${t("signin.title")} · Signalbox`;
    let here = true;
    once(returned)
      .then((told) => {
        if (!here) return;
        if (told.owed) setBack(told);
        else enter(told.next);
      })
      .catch((failure) => here && setProblem(asProblem(failure)));
    return () => {
      here = false;
    };
    // what came back does not change while the page is open
  }, [state]);
  const startOver = () => void navigate({ to: "/sign-in", search: back && back.next !== "/" ? { next: back.next } : {}, replace: true });
  return (
    <main className={css.page}>
      <div className={css.card}>
        <img src={mark} alt="" className={css.mark} />
        {back?.owed ? (
          <Suspense fallback={<Lines count={3} height={44} />}>
            <SecondStep asked={back.owed} onDone={() => enter(back.next)} onBack={startOver} />
          </Suspense>
        ) : problem ? (
          <>
            <h1>{t("signin.failed")}</h1>
            <div className={css.failed}>
              <ErrorLine problem={problem} />
              <Button variant="outlined" component={Link} to={isLink(returned) ? "/account" : "/sign-in"}>{t("signin.back")}</Button>
            </div>
          </>
        ) : (
          <>
            <h1>{t("signin.title")}</h1>
            <p>{t("signin.coming")}</p>
            <Lines count={2} height={44} />
          </>
        )}
      </div>
    </main>
  );
}
