/** The question in between: who are you? Asked where an act answers that it wants a proof; the act is then repeated. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { askOwnPasskey, type FactorKind, proveAgain, sendOwnCode, whatProves } from "../../auth/factors";
import { t } from "../../i18n";
import "../../i18n/factors";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { ShowFactor } from "./ShowFactor";

export default function StepUp({ onDone }: { onDone: (proved: boolean) => void }) {
  const [kinds, setKinds] = useState<FactorKind[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    whatProves().then(setKinds, (error) => setProblem(asProblem(error)));
  }, []);
  return (
    <Dialog open onClose={() => onDone(false)} maxWidth="xs" fullWidth aria-labelledby="step-up-title">
      <DialogTitle id="step-up-title">{t("factors.stepUp.title")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <p className={parts.muted}>{t("factors.stepUp.text")}</p>
          <ErrorLine problem={problem} />
          {!kinds && !problem && <Lines count={2} height={44} />}
          {kinds && <ShowFactor kinds={kinds} askPasskey={askOwnPasskey} sendCode={sendOwnCode} action={t("factors.stepUp.action")} show={(proof) => proveAgain(proof).then(() => onDone(true))} />}
          <Button variant="text" onClick={() => onDone(false)}>{t("cancel")}</Button>
        </div>
      </DialogContent>
    </Dialog>
  );
}
