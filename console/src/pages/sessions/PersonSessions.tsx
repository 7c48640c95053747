/** A person's sessions, and the end of all of them. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { useMay, useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/sessions";
import EndAll from "./EndAll";
import type { Whose } from "./queries";
import { SessionItems } from "./SessionItems";
import css from "./sessions.module.css";

export default function PersonSessions({ id, name }: { id: string; name: string }) {
  const own = useMe().user.id === id;
  const mayEnd = useMay("sessions:revoke");
  const [ending, setEnding] = useState<Whose | null>(null);
  return (
    <>
      <SessionItems user={id} mayEnd={mayEnd || own} />
      {mayEnd && !own && (
        <div className={css.foot}>
          <span>{t("sessions.endAll.text")}</span>
          <Button variant="outlined" color="error" onClick={() => setEnding({ user: id })}>{t("sessions.endTheirs")}</Button>
        </div>
      )}
      <EndAll whose={ending} name={name} onClose={() => setEnding(null)} />
    </>
  );
}
