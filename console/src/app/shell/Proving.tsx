/** Where the question stands that the hub's "prove who you are" leads to. Its dialog is loaded with the first one. */
import { lazy, Suspense, useEffect, useState } from "react";
import { provedBy } from "../../auth/stepUp";

const StepUp = lazy(() => import("../../pages/factors/StepUp"));

export function Proving() {
  const [answer, setAnswer] = useState<{ give: (proved: boolean) => void } | null>(null);
  useEffect(() => provedBy(() => new Promise<boolean>((give) => setAnswer({ give }))), []);
  if (!answer) return null;
  const done = (proved: boolean) => {
    setAnswer(null);
    answer.give(proved);
  };
  return (
    <Suspense>
      <StepUp onDone={done} />
    </Suspense>
  );
}
