/** Which roles a team carries for whoever is in it. */
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import type { Team } from "../../api/types";
import { useMay } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { Act } from "../../parts/Act";
import parts from "../../parts/parts.module.css";
import css from "./teams.module.css";

const EditTeamRoles = lazy(() => import("./EditTeamRoles"));

export function TeamRoles({ team }: { team: Team }) {
  const [mayAssign, mayRoles] = [useMay("roles:assign"), useMay("roles:read")];
  const [editing, setEditing] = useState(false);
  return (
    <section className={parts.stack}>
      <div className={parts.spread}>
        <h3>{t("field.roles")}</h3>
        {mayRoles && <Act variant="outlined" why={mayAssign ? null : t("members.why")} onClick={() => setEditing(true)}>{t("teams.roles.edit")}</Act>}
      </div>
      {team.roles.length === 0 && <p className={parts.muted}>{t("teams.roles.none")}</p>}
      <ul className={css.roles} data-testid="team-roles">
        {team.roles.map((role) => (
          <li key={role.id}>{mayRoles ? <Link to="/roles/$id" params={{ id: role.id }}>{roleName(role)}</Link> : roleName(role)}</li>
        ))}
      </ul>
      <Suspense>{editing && <EditTeamRoles team={team} onClose={() => setEditing(false)} />}</Suspense>
    </section>
  );
}
