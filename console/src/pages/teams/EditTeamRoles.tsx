/** Changes which roles a team carries, after a look at what that gives to its people and takes from them. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { Team } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { Impact } from "../roles/Impact";
import { previewQuery } from "../roles/queries";
import { RolePicker } from "../users/RolePicker";
import { giveRole, takeRole } from "./queries";

export default function EditTeamRoles({ team, onClose }: { team: Team; onClose: () => void }) {
  const had = team.roles.map((role) => role.id);
  const [roles, setRoles] = useState(had);
  const mayLook = [useMay("roles:read"), useMay("users:read")].every(Boolean);
  const [given, taken] = [roles.filter((id) => !had.includes(id)), had.filter((id) => !roles.includes(id))];
  const changed = given.length + taken.length > 0;
  const preview = useQuery({ ...previewQuery({ kind: "team_roles", team: team.id, roles }), enabled: mayLook && changed });
  // One after another: what one refuses stands here, and what came before it is done.
  const run = async () => {
    for (const id of given) await giveRole(team.id, id);
    for (const id of taken) await takeRole(team.id, id);
    if (changed) toast(t("teams.roles.saved", { name: team.name }));
  };
  const text = (
    <div className={parts.stack}>
      <p className={parts.muted}>{t("teams.roles.note")}</p>
      <RolePicker chosen={roles} onChange={setRoles} forTeam />
      {mayLook && changed && (preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />)}
    </div>
  );
  return <ConfirmWithImpact open title={t("teams.roles.title", { name: team.name })} text={text} action={t("edit.save")} danger={false} run={run} onClose={onClose} />;
}
