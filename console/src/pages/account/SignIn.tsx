/** How I sign in: my password, and what I show beside it. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { queries } from "../../app/queries";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Card } from "../../parts/basics";
import { Field } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { Factors } from "./Factors";

/** The hub's least length of a password, in characters. */
const LEAST = 8;

export default function SignIn() {
  const me = useMe();
  return (
    <>
      <Password />
      {!me.must_change_password && <Factors />}
    </>
  );
}

function Password() {
  const me = useMe();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const short = next !== "" && next.length < LEAST;
  const differs = again !== "" && again !== next;

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await must(api.POST("/api/v1/me/password", { body: { current_password: current, new_password: next } }));
      setCurrent("");
      setNext("");
      setAgain("");
      toast(t("account.changed"));
      await queries.invalidateQueries({ queryKey: ["me"] });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };

  const told = (field: string) => problem?.fields.find((error) => error.field === field)?.detail;
  return (
    <Card title={t("account.password")}>
      <form className={css.stack} onSubmit={submit}>
        <input type="text" name="username" autoComplete="username" value={me.user.email} readOnly hidden />
        <Field label={t("account.current")} type="password" autoComplete="current-password" value={current} onValue={setCurrent} required error={told("current_password")} />
        <Field label={t("account.next")} type="password" autoComplete="new-password" value={next} onValue={setNext} required error={told("new_password") ?? (short ? t("account.short", { n: LEAST }) : undefined)} note={t("account.nextNote", { n: LEAST })} />
        <Field label={t("account.again")} type="password" autoComplete="new-password" value={again} onValue={setAgain} required error={differs ? t("account.differs") : undefined} />
        <ErrorLine problem={problem} />
        <div>
          <Button type="submit" variant="contained" loading={busy} disabled={!current || next.length < LEAST || again !== next}>
            {t("account.action")}
          </Button>
        </div>
      </form>
    </Card>
  );
}
