import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must, once } from "../../api/client";
import { queries } from "../../app/queries";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Card, Facts, Pill } from "../../parts/basics";
import { Field } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { useSaving } from "../settings/useSaving";
import { emailQuery } from "./profile";

/** My address, and another one that waits to be confirmed by both mailboxes. */
export function Email() {
  const me = useMe();
  const waiting = useQuery(emailQuery).data?.waiting;
  const [wanted, setWanted] = useState("");
  const { busy, submit, told, problem } = useSaving(async () => {
    const asked = await must(api.POST("/api/v1/me/email", { params: { header: once() } as never, body: { new_email: wanted.trim() } }));
    queries.setQueryData(emailQuery.queryKey, { waiting: asked });
    setWanted("");
  });
  const keep = useSaving(async () => {
    await must(api.DELETE("/api/v1/me/email"));
    queries.setQueryData(emailQuery.queryKey, { waiting: null });
  });
  const pill = (done: boolean) => <Pill tone={done ? "ok" : "idle"}>{done ? t("email.confirmed") : t("email.waits")}</Pill>;
  return (
    <Card title={t("field.email")}>
      {waiting ? (
        <form className={css.stack} onSubmit={keep.submit}>
          <Facts facts={[[me.user.email, pill(waiting.old_confirmed)], [waiting.new_email, pill(waiting.new_confirmed)]]} />
          <p className={css.note}>{t("email.both")}</p>
          <ErrorLine problem={keep.problem} />
          <div>
            <Button type="submit" variant="outlined" loading={keep.busy}>{t("email.keep")}</Button>
          </div>
        </form>
      ) : (
        <form className={css.stack} onSubmit={submit}>
          <Field label={t("email.new")} type="email" autoComplete="email" value={wanted} onValue={setWanted} error={told("new_email")} note={t("email.note", { email: me.user.email })} />
          <ErrorLine problem={problem} />
          <div>
            <Button type="submit" variant="outlined" loading={busy} disabled={!wanted.trim()}>{t("email.change")}</Button>
          </div>
        </form>
      )}
    </Card>
  );
}
