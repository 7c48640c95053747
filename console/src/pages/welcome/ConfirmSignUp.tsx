/** Coming in by the link of a sign-up. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { api } from "../../api/client";
import { problemFrom } from "../../api/problem";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine } from "../../parts/states";
import css from "../signin/signin.module.css";
import { Entry, NewPassword, useComingIn, useForm, useLinkToken } from "./Entry";

export default function ConfirmSignUp() {
  const token = useLinkToken();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const comeIn = useComingIn();
  const { busy, submit, told, problem } = useForm(() => comeIn(api.POST("/api/v1/auth/sign_up/confirm", { body: { token, name: name.trim(), password } }), problemFrom));
  return (
    <Entry title={t("signUp.confirm")} text={t("signUp.confirmText")}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <Field label={t("field.name")} autoComplete="name" autoFocus value={name} onValue={setName} required error={told("name")} />
        <NewPassword next={password} again={again} onNext={setPassword} onAgain={setAgain} error={told("password")} />
        <ErrorLine problem={problem} />
        <Button type="submit" variant="contained" loading={busy} disabled={!name.trim() || !password || password !== again}>{t("signUp.confirmAction")}</Button>
      </form>
    </Entry>
  );
}
