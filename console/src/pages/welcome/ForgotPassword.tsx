/** Asking for a link to a new password. */
import Button from "@mui/material/Button";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine } from "../../parts/states";
import css from "../signin/signin.module.css";
import { Entry, useForm } from "./Entry";

export default function ForgotPassword() {
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const { busy, submit, problem } = useForm(async () => {
    await must(api.POST("/api/v1/auth/password/forgot", { body: { email: email.trim() } }));
    setSent(true);
  });
  if (sent) {
    return (
      <Entry title={t("forgot.sent")} text={t("forgot.sentText", { email: email.trim() })}>
        <Link to="/sign-in">{t("welcome.back")}</Link>
      </Entry>
    );
  }
  return (
    <Entry title={t("forgot.title")} text={t("forgot.text")}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <Field label={t("field.email")} type="email" autoComplete="username" autoFocus value={email} onValue={setEmail} required />
        <ErrorLine problem={problem} />
        <Button type="submit" variant="contained" loading={busy} disabled={!email.trim()}>{t("forgot.action")}</Button>
        <Link to="/sign-in">{t("welcome.back")}</Link>
      </form>
    </Entry>
  );
}
