/** Whoever was invited comes in. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem, problemFrom } from "../../api/problem";
import { t } from "../../i18n";
import { ErrorLine, Lines } from "../../parts/states";
import css from "../signin/signin.module.css";
import { Entry, NewPassword, useComingIn, useForm, useLinkToken } from "./Entry";

export default function Invitation() {
  const token = useLinkToken();
  const look = useQuery({ queryKey: ["invitation", token], queryFn: () => must(api.POST("/api/v1/invitations/look", { body: { token } })), retry: false });
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const comeIn = useComingIn();
  const { busy, submit, told, problem } = useForm(() => comeIn(api.POST("/api/v1/invitations/accept", { body: { token, password } }), problemFrom));
  if (look.error) {
    return (
      <Entry title={t("welcome.gone")} text={asProblem(look.error).message}>
        <Link to="/sign-in">{t("welcome.back")}</Link>
      </Entry>
    );
  }
  if (!look.data) return <Entry title={t("invitation.title")}><Lines count={3} height={44} /></Entry>;
  const { organization, email, name } = look.data;
  return (
    <Entry title={t("invitation.welcome", { organization })} text={t("invitation.text", { name, email })}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <input type="text" name="username" autoComplete="username" value={email} readOnly hidden />
        <NewPassword next={password} again={again} onNext={setPassword} onAgain={setAgain} error={told("password")} />
        <ErrorLine problem={problem} />
        <Button type="submit" variant="contained" loading={busy} disabled={!password || password !== again}>{t("invitation.action")}</Button>
      </form>
    </Entry>
  );
}
