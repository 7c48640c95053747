/** A person's sessions, and the end of all of them. */
import { useState } from "react";
import { useMe, useWhy } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/sessions";
import { Act } from "../../parts/Act";
import EndAll from "./EndAll";
import type { Whose } from "./queries";
import { SessionItems } from "./SessionItems";
import css from "./sessions.module.css";

export default function PersonSessions({ id, name }: { id: string; name: string }) {
  const own = useMe().user.id === id;
  const why = useWhy("sessions:revoke");
  const [ending, setEnding] = useState<Whose | null>(null);
  return (
    <>
      <SessionItems user={id} mayEnd={why === null || own} />
      {!own && (
        <div className={css.foot}>
          <span>{t("sessions.endAll.text")}</span>
          <Act variant="outlined" color="error" onClick={() => setEnding({ user: id })} why={why}>{t("sessions.endTheirs")}</Act>
        </div>
      )}
      <EndAll whose={ending} name={name} onClose={() => setEnding(null)} />
    </>
  );
}
