/** Where I am signed in, and the end of it. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { queries } from "../../app/queries";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/sessions";
import { Card } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { toast } from "../../parts/toast";
import { endOthers } from "../sessions/queries";
import { SessionItems } from "../sessions/SessionItems";
import css from "../sessions/sessions.module.css";

export default function Sessions() {
  const me = useMe();
  const [asked, setAsked] = useState(false);
  const end = async () => {
    const ended = await endOthers();
    toast(t("sessions.endedOthers", { n: ended.sessions }));
    await queries.invalidateQueries({ queryKey: ["sessions"] });
  };
  return (
    <Card title={t("sessions.mine")}>
      <SessionItems user={me.user.id} mayEnd />
      <div className={css.foot}>
        <span>{t("sessions.mine.note")}</span>
        <Button variant="outlined" color="error" onClick={() => setAsked(true)}>{t("sessions.endOthers")}</Button>
      </div>
      <ConfirmWithImpact open={asked} onClose={() => setAsked(false)} title={t("sessions.endOthers.title")} text={t("sessions.endOthers.text")} action={t("sessions.endOthers")} run={end} />
    </Card>
  );
}
