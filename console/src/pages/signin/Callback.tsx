/** Where a provider sends people back to: what it gave is handed to the hub at once, and its address is forgotten. */
import Button from "@mui/material/Button";
import { Link, useRouter, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { comeBack } from "../../auth/providers";
import { isLink, type Returned } from "../../auth/returned";
import { t } from "../../i18n";
import { ErrorLine, Lines } from "../../parts/states";
import mark from "../../theme/mark.svg";
import css from "./signin.module.css";

/** A code is good once, however often the page is drawn. */
let handed: { state: string; way: Promise<string> } | null = null;

function once(returned: Returned): Promise<string> {
  if (handed?.state !== returned.state) handed = { state: returned.state, way: comeBack(returned) };
  return handed.way;
}

export default function Callback() {
  const { state = "", code, iss, error } = useSearch({ from: "/sign-in/callback" });
  const router = useRouter();
  const [problem, setProblem] = useState<Problem | null>(null);
  const returned: Returned = { state, code, iss, error };
  useEffect(() => {
    document.title = `${t("signin.title")} · Signalbox`;
    let here = true;
    once(returned)
      .then((next) => {
        if (!here) return;
        queries.clear();
        router.history.replace(next);
      })
      .catch((failure) => here && setProblem(asProblem(failure)));
    return () => {
      here = false;
    };
    // what came back does not change while the page is open
  }, [state]);
  return (
    <main className={css.page}>
      <div className={css.card}>
        <img src={mark} alt="" className={css.mark} />
        <h1>{problem ? t("signin.failed") : t("signin.title")}</h1>
        {problem ? <ErrorLine problem={problem} /> : <p>{t("signin.coming")}</p>}
        {problem ? (
          <Button variant="outlined" component={Link} to={isLink(returned) ? "/account" : "/sign-in"}>
            {t("signin.back")}
          </Button>
        ) : (
          <Lines count={2} height={44} />
        )}
      </div>
    </main>
  );
}
