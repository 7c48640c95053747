import Button from "@mui/material/Button";
import { useState } from "react";
import { api, must } from "../../api/client";
import type { Profile } from "../../api/types";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import { Card } from "../../parts/basics";
import { Field } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { useSaving } from "../settings/useSaving";
import { FIELDS, LABELS, profileQuery } from "./profile";

const here = Intl.DateTimeFormat().resolvedOptions();

/** What I say of myself. */
export function ProfileForm({ profile }: { profile: Profile }) {
  const [draft, setDraft] = useState(() => Object.fromEntries(FIELDS.map((field) => [field, profile[field] ?? ""])) as Record<(typeof FIELDS)[number], string>);
  const changed = FIELDS.filter((field) => draft[field].trim() !== (profile[field] ?? ""));
  const { busy, submit, told, problem } = useSaving(async () => {
    const body = Object.fromEntries(changed.map((field) => [field, draft[field].trim() || null]));
    queries.setQueryData(profileQuery.queryKey, await must(api.PATCH("/api/v1/me/profile", { params: { header: { "If-Match": `"${profile.version}"` } }, body: body as never })));
  });
  return (
    <Card title={t("profile.mine")}>
      <form className={css.stack} onSubmit={submit}>
        {FIELDS.map((field) => (
          <Field
            key={field}
            label={t(LABELS[field])}
            value={draft[field]}
            onValue={(value) => setDraft((before) => ({ ...before, [field]: value }))}
            error={told(field)}
            {...(field === "bio" && { multiline: true, minRows: 3 })}
            {...(field === "time_zone" && { placeholder: here.timeZone })}
            {...(field === "locale" && { placeholder: here.locale })}
          />
        ))}
        <ErrorLine problem={problem} />
        <div>
          <Button type="submit" variant="contained" loading={busy} disabled={changed.length === 0}>{t("settings.save")}</Button>
        </div>
      </form>
    </Card>
  );
}
