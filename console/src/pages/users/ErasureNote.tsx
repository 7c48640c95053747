/** Above a person who is to be erased: when, and the way back while there is one. */
import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { User } from "../../api/types";
import { t } from "../../i18n";
import "../../i18n/custody";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import { Until } from "../../parts/Until";
import { erasureQuery, keep } from "./custody";
import css from "./users.module.css";

export default function ErasureNote({ user }: { user: User }) {
  const { data } = useQuery(erasureQuery(user.id));
  const [problem, setProblem] = useState<Problem | null>(null);
  if (!data) return null;
  const back = () => keep(user.id).then(() => toast(t("erase.kept", { name: user.name }))).catch((error: unknown) => setProblem(asProblem(error)));
  return (
    <Alert className={css.note} severity="error" icon={false} action={data.state === "waiting" && <Button variant="text" color="inherit" onClick={() => void back()}>{t("erase.keep")}</Button>}>
      {data.state === "waiting" ? <>{t("erase.waiting")} <Until at={data.due_at} /></> : t("erase.running")}
      {data.reason && <> · {data.reason}</>}
      <ErrorLine problem={problem} />
    </Alert>
  );
}
