/** Asks for one of a person's factors: as the second step of signing in, and where the hub wants a proof in between. */
import Button from "@mui/material/Button";
import { useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Ceremony } from "../../api/types";
import { answerPasskey, type FactorKind, type Proof, usable } from "../../auth/factors";
import { t } from "../../i18n";
import "../../i18n/factors";
import { Field } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import css from "./factors.module.css";

interface Props {
  /** What may be shown, best first. Empty: the password. */
  kinds: FactorKind[];
  askPasskey: () => Promise<Ceremony>;
  /** To the person's phone. */
  sendCode: () => Promise<void>;
  show: (proof: Proof) => Promise<void>;
  /** On the button. */
  action: string;
}

type Shown = FactorKind | "password";

/** What is wrong and what to do, where the hub did not take what was shown. It says only that, so that nobody learns by guessing. */
const refusal = (kind: Shown, code?: string): string | undefined => (code === "factor.refused" || code === "auth.wrong_password" ? t(`factors.refused.${kind}`) : undefined);

export function ShowFactor({ kinds, askPasskey, sendCode, show, action }: Props) {
  const [first = "password", ...others] = usable(kinds) as Shown[];
  const [kind, setKind] = useState<Shown>(first);
  const [typed, setTyped] = useState("");
  const [sent, setSent] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), [kind]);

  const proof = async (): Promise<Proof> => {
    if (kind === "passkey") return answerPasskey(askPasskey);
    return kind === "password" ? { kind, password: typed } : { kind, code: typed };
  };
  const unsent = kind === "sms" && !sent;
  const refused = refusal(kind, problem?.code);
  const run = async (send: boolean) => {
    setBusy(true);
    setProblem(null);
    try {
      if (send) {
        await sendCode();
        setSent(true);
        setBusy(false);
      } else await show(await proof());
    } catch (error) {
      setTyped("");
      setProblem(asProblem(error));
      setBusy(false);
      box.current?.focus();
    }
  };
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    void run(unsent);
  };
  const choose = (next: Shown) => {
    setKind(next);
    setTyped("");
    setSent(false);
    setProblem(null);
  };
  return (
    <form className={css.form} onSubmit={submit}>
      {kind === "passkey" && <p className={parts.muted}>{t("factors.show.passkey")}</p>}
      {kind === "totp" && <Field label={t("factors.code")} value={typed} onValue={setTyped} autoComplete="one-time-code" numeric inputRef={box} required error={refused} note={t("factors.show.totp")} />}
      {unsent && <p className={parts.muted}>{t("factors.show.sms")}</p>}
      {kind === "sms" && sent && <Field label={t("factors.code")} value={typed} onValue={setTyped} autoComplete="one-time-code" numeric inputRef={box} required error={refused} note={t("factors.show.sent")} />}
      {kind === "recovery_code" && <Field label={t("factors.kind.recovery_code")} value={typed} onValue={setTyped} autoComplete="off" mono inputRef={box} required error={refused} note={t("factors.show.recovery_code")} />}
      {kind === "password" && <Field label={t("field.password")} type="password" value={typed} onValue={setTyped} autoComplete="current-password" inputRef={box} required error={refused} />}
      {!refused ? <ErrorLine problem={problem} /> : kind === "passkey" && <p className={parts.fieldError} role="alert">{refused}</p>}
      <Button type="submit" variant="contained" loading={busy} disabled={kind !== "passkey" && !unsent && typed.trim() === ""}>
        {kind === "passkey" ? t("factors.show.usePasskey") : unsent ? t("factors.send") : action}
      </Button>
      {(others.length > 0 || (kind === "sms" && sent)) && (
        <div className={css.instead}>
          {kind === "sms" && sent && <Button type="button" variant="text" disabled={busy} onClick={() => void run(true)}>{t("factors.sendAgain")}</Button>}
          {[first, ...others].filter((other) => other !== kind).map((other) => (
            <Button key={other} type="button" variant="text" disabled={busy} onClick={() => choose(other)}>
              {t(`factors.instead.${other as FactorKind}`)}
            </Button>
          ))}
        </div>
      )}
    </form>
  );
}
