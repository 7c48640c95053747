/** A mailbox confirms another address, or refuses it. */
import Button from "@mui/material/Button";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { t, type TextId } from "../../i18n";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { Entry, useForm, useLinkToken } from "./Entry";

const SAID: Record<string, [TextId, TextId]> = {
  waiting: ["confirm.waiting", "confirm.waitingText"],
  changed: ["confirm.changed", "confirm.changedText"],
  refused: ["confirm.refused", "confirm.refusedText"],
};

export default function ConfirmEmail() {
  const token = useLinkToken();
  const [state, setState] = useState<string | null>(null);
  const say = async (confirm: boolean) => setState((await must(api.POST("/api/v1/auth/email/confirm", { body: { token, confirm } }))).state);
  const yes = useForm(() => say(true));
  const no = useForm(() => say(false));
  const said = state !== null && SAID[state];
  if (said) {
    return (
      <Entry title={t(said[0])} text={t(said[1])}>
        <Link to="/sign-in">{t("welcome.back")}</Link>
      </Entry>
    );
  }
  return (
    <Entry title={t("confirm.title")} text={t("confirm.text")}>
      <div className={parts.stack}>
        <ErrorLine problem={yes.problem ?? no.problem} />
        <Button variant="contained" loading={yes.busy} disabled={no.busy} onClick={() => void yes.submit()}>{t("confirm.yes")}</Button>
        <Button variant="outlined" color="error" loading={no.busy} disabled={yes.busy} onClick={() => void no.submit()}>{t("confirm.no")}</Button>
      </div>
    </Entry>
  );
}
