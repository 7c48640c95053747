import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Privacy } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import { Card } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { FIELDS, LABELS, privacyQuery } from "./profile";

/** Who sees what of my profile: kept as soon as it is chosen. */
export function PrivacyForm({ privacy }: { privacy: Privacy }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const options = (["organization", "team", "nobody"] as const).map((value) => ({ value, label: t(`privacy.${value}`) }));
  const choose = async (field: string, audience: string) => {
    setProblem(null);
    try {
      queries.setQueryData(privacyQuery.queryKey, await must(api.PATCH("/api/v1/me/privacy", { body: { [field]: audience } as never })));
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <Card title={t("privacy.title")}>
      <div className={css.stack}>
        <p className={css.note}>{t("privacy.note")}</p>
        {([...FIELDS, "wallets"] as const).map((field) => (
          <Choice key={field} label={t(LABELS[field])} value={privacy[field]} onValue={(value) => void choose(field, value)} options={options} />
        ))}
        <ErrorLine problem={problem} />
      </div>
    </Card>
  );
}
