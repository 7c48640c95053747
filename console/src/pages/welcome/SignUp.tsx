/** Signing oneself up, where the organization lets people. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine, Lines } from "../../parts/states";
import css from "../signin/signin.module.css";
import { Entry, useForm } from "./Entry";

export default function SignUp() {
  const open = useQuery({ queryKey: ["sign_up"], queryFn: () => must(api.GET("/api/v1/auth/sign_up")) }).data;
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const { busy, submit, told, problem } = useForm(async () => {
    await must(api.POST("/api/v1/auth/sign_up", { body: { email: email.trim() } }));
    setSent(true);
  });
  const back = <Link to="/sign-in">{t("welcome.back")}</Link>;
  if (!open) return <Entry title={t("signUp.title")}><Lines count={3} height={44} /></Entry>;
  if (!open.open) return <Entry title={t("signUp.closed")} text={t("signUp.closedText")}>{back}</Entry>;
  if (sent) return <Entry title={t("signUp.sent")} text={t("signUp.sentText", { email: email.trim() })}>{back}</Entry>;
  return (
    <Entry title={t("signUp.title")} text={t("signUp.text")}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <Field label={t("field.email")} type="email" autoComplete="username" autoFocus value={email} onValue={setEmail} required error={told("email")} note={open.domains.length > 0 ? t("signUp.domains", { domains: open.domains.join(", ") }) : undefined} />
        <ErrorLine problem={problem} />
        <Button type="submit" variant="contained" loading={busy} disabled={!email.trim()}>{t("signUp.action")}</Button>
        {back}
      </form>
    </Entry>
  );
}
