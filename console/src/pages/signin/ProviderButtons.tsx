/** The other ways in: a button for each provider. Nothing where there is none, or where they cannot be asked. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { choicesQuery, leaveToSignIn } from "../../auth/providers";
import { t } from "../../i18n";
import { ErrorLine } from "../../parts/states";
import css from "./signin.module.css";

export function ProviderButtons({ next }: { next?: string }) {
  const choices = useQuery(choicesQuery).data?.items ?? [];
  const [away, setAway] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (choices.length === 0) return null;
  const leave = async (id: string) => {
    setAway(id);
    setProblem(null);
    try {
      await leaveToSignIn(id, next);
    } catch (error) {
      setProblem(asProblem(error));
      setAway(null);
    }
  };
  return (
    <div className={css.others}>
      <span className={css.or}>{t("signin.or")}</span>
      {choices.map((choice) => (
        <Button key={choice.id} variant="outlined" loading={away === choice.id} disabled={away !== null} onClick={() => void leave(choice.id)}>
          {t("signin.through", { name: choice.name })}
        </Button>
      ))}
      <ErrorLine problem={problem} />
    </div>
  );
}
