/** What comes after the password: the second factor, or setting one up where a role needs it. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { askSignInPasskey, type Asked, sendSignInCode, setupAtSignIn, showFactor } from "../../auth/factors";
import { t } from "../../i18n";
import "../../i18n/factors";
import { Enroll } from "../factors/Enroll";
import { RecoveryCodes } from "../factors/RecoveryCodes";
import { ShowFactor } from "../factors/ShowFactor";
import css from "./signin.module.css";

interface Props {
  asked: Asked;
  onDone: () => void;
  onBack: () => void;
}

export default function SecondStep({ asked, onDone, onBack }: Props) {
  const [codes, setCodes] = useState<string[] | null>(null);
  if (codes) {
    return (
      <>
        <h1>{t("factors.codes.title")}</h1>
        <RecoveryCodes codes={codes} onDone={onDone} />
      </>
    );
  }
  return (
    <>
      <h1>{t(asked.enroll ? "factors.required.title" : "factors.show.title")}</h1>
      <p>{t(asked.enroll ? "factors.required.text" : "factors.show.text")}</p>
      {asked.enroll ? (
        <Enroll setup={setupAtSignIn(asked.ticket)} onDone={setCodes} />
      ) : (
        <ShowFactor kinds={asked.kinds} askPasskey={() => askSignInPasskey(asked.ticket)} sendCode={() => sendSignInCode(asked.ticket)} action={t("signin.action")} show={(proof) => showFactor(asked.ticket, proof).then(onDone)} />
      )}
      <Button variant="text" className={css.back} onClick={onBack}>{t("factors.startOver")}</Button>
    </>
  );
}
