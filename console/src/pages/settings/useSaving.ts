import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { t } from "../../i18n";
import { toast } from "../../parts/toast";

/** Saving a form: what is wrong with it by field, and whether it is on its way. `said` once it is saved. */
export function useSaving(save: () => Promise<unknown>, said = t("settings.saved")) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await save();
      toast(said);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  /** What is wrong with `field`, or with a part of it (`field.0`). */
  const told = (field: string) => problem?.fields.find((error) => error.field === field || error.field.startsWith(`${field}.`))?.detail;
  return { busy, submit, told, problem: problem && problem.fields.length === 0 ? problem : null };
}
