/** Choosing a new password by a link. */
import Button from "@mui/material/Button";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client";
import { problemFrom } from "../../api/problem";
import { t } from "../../i18n";
import { ErrorLine } from "../../parts/states";
import css from "../signin/signin.module.css";
import { Entry, NewPassword, useComingIn, useForm, useLinkToken } from "./Entry";

export default function ResetPassword() {
  const token = useLinkToken();
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const comeIn = useComingIn();
  const { busy, submit, told, problem } = useForm(() => comeIn(api.POST("/api/v1/auth/password/reset", { body: { token, password } }), problemFrom));
  return (
    <Entry title={t("newPassword.title")} text={t("newPassword.text")}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <NewPassword next={password} again={again} onNext={setPassword} onAgain={setAgain} error={told("password")} />
        <ErrorLine problem={problem} />
        {problem?.status === 410 && <Link to="/forgot-password">{t("newPassword.another")}</Link>}
        <Button type="submit" variant="contained" loading={busy} disabled={!password || password !== again}>{t("newPassword.action")}</Button>
      </form>
    </Entry>
  );
}
