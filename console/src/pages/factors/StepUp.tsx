/** The question in between: who are you? Asked where an act answers that it wants a proof; the act is then repeated. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Provable } from "../../api/types";
import { askOwnPasskey, proveAgain, sendOwnCode, whatProves } from "../../auth/factors";
import { leaveToSignIn } from "../../auth/providers";
import { t } from "../../i18n";
import "../../i18n/factors";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { ShowFactor } from "./ShowFactor";

export default function StepUp({ onDone }: { onDone: (proved: boolean) => void }) {
  const router = useRouter();
  const [what, setWhat] = useState<Provable | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    whatProves().then(setWhat, (error) => setProblem(asProblem(error)));
  }, []);
  const shows = what && (what.has_password || what.kinds.length > 0);
  const leave = (id: string) => leaveToSignIn(id, router.state.location.href, true).catch((error: unknown) => setProblem(asProblem(error)));
  return (
    <Dialog open onClose={() => onDone(false)} maxWidth="xs" fullWidth aria-labelledby="step-up-title">
      <DialogTitle id="step-up-title">{t("factors.stepUp.title")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <p className={parts.muted}>{t("factors.stepUp.text")}</p>
          <ErrorLine problem={problem} />
          {!what && !problem && <Lines count={2} height={44} />}
          {shows && <ShowFactor kinds={what.kinds} askPasskey={askOwnPasskey} sendCode={sendOwnCode} action={t("factors.stepUp.action")} show={(proof) => proveAgain(proof).then(() => onDone(true))} />}
          {what && !shows && <p className={parts.muted}>{t(what.providers.length > 0 ? "factors.stepUp.through" : "factors.stepUp.nothing")}</p>}
          {what?.providers.map(({ id, name }) => (
            <Button key={id} variant={shows ? "outlined" : "contained"} onClick={() => void leave(id)}>{t("factors.stepUp.provider", { provider: name })}</Button>
          ))}
          <Button variant="text" onClick={() => onDone(false)}>{t("cancel")}</Button>
        </div>
      </DialogContent>
    </Dialog>
  );
}
