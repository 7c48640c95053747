/** One team: what it is for, and who is in it. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { Team } from "../../api/types";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { Act } from "../../parts/Act";
import { AlsoHere } from "../../parts/AlsoHere";
import { Facts, Id, Pill, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { teamsQuery } from "../users/queries";
import EditTeam from "./EditTeam";
import { deleteTeam } from "./queries";
import { TeamMembers } from "./TeamMembers";
import { TeamRoles } from "./TeamRoles";
import css from "./teams.module.css";

export default function TeamView({ id, onDeleted }: { id: string; onDeleted: () => void }) {
  const query = useQuery({ ...teamsQuery, select: undefined });
  const team = query.data?.items.find((one) => one.id === id);
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <div className={css.view}><Lines count={6} height={28} /></div>;
  if (!team) return <EmptyState icon="search" title={t("teams.none.title")} text={t("teams.none.text")} />;
  return <Detail team={team} onDeleted={onDeleted} />;
}

function Detail({ team, onDeleted }: { team: Team; onDeleted: () => void }) {
  const me = useMe();
  const seesPeople = me.permissions.includes("users:read") || me.limited.includes("users:read");
  return (
    <article className={css.view} aria-label={team.name}>
      <div className={parts.spread}>
        <b className={css.title}>{team.name}</b>
        <AlsoHere path={`/teams/${team.id}`} />
        {team.gone && <Pill tone="bad">{t("list.gone")}</Pill>}
      </div>
      {!team.gone && <Acts team={team} onDeleted={onDeleted} />}
      <Facts
        facts={[
          [t("roles.description"), team.description || "–"],
          [t("field.created"), <Time key="created" at={team.created_at} />],
          [t("field.id"), <Id key="id" value={team.id} />],
        ]}
      />
      {!team.gone && <TeamRoles team={team} />}
      {seesPeople && !team.gone && <TeamMembers team={team} />}
      {seesPeople && <p><Link to="/users" search={{ team: team.id }}>{t("teams.inUsers")}</Link></p>}
    </article>
  );
}

function Acts({ team, onDeleted }: { team: Team; onDeleted: () => void }) {
  const [asked, setAsked] = useState<"edit" | "delete" | null>(null);
  const may = (act: string) => team.can.includes(act);
  const why = may("teams.update") ? null : t("teams.why");
  useOffer(why ? [] : [{ id: "team.edit", keys: "e", label: t("teams.edit"), group: t("keys.page"), run: () => setAsked("edit") }]);
  const remove = async () => {
    await deleteTeam(team);
    toast(t("teams.deleted", { name: team.name }));
    onDeleted();
  };
  return (
    <div className={parts.row}>
      <Act variant="outlined" startIcon={<Icon name="edit" small />} why={why} onClick={() => setAsked("edit")}>{t("teams.edit")}</Act>
      <Act variant="outlined" color="error" why={may("teams.delete") ? null : t("teams.why")} onClick={() => setAsked("delete")}>{t("teams.delete")}</Act>
      {asked === "edit" && <EditTeam team={team} onClose={() => setAsked(null)} />}
      <ConfirmWithImpact open={asked === "delete"} onClose={() => setAsked(null)} title={t("teams.delete.title", { name: team.name })} text={t(team.roles.length > 0 ? "teams.delete.textRoles" : "teams.delete.text", { roles: team.roles.map(roleName).join(", ") })} impact={typeof team.members === "number" ? t("teams.delete.impact", { n: team.members }) : undefined} action={t("teams.delete")} run={remove} />
    </div>
  );
}
