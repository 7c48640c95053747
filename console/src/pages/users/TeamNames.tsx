import { useQuery } from "@tanstack/react-query";
import type { Team, User } from "../../api/types";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { teamsQuery } from "./queries";

const NO_TEAMS: Team[] = [];

/** Teams that this viewer may see. */
export function useTeams(): Team[] {
  const me = useMe();
  const may = me.permissions.includes("teams:read") || me.limited.includes("teams:read");
  return useQuery({ ...teamsQuery, enabled: may }).data?.items ?? NO_TEAMS;
}

export function TeamNames({ user }: { user: Pick<User, "teams"> }) {
  const teams = useTeams();
  return <>{user.teams.map(({ id }) => teams.find((team) => team.id === id)?.name ?? t("users.hiddenTeam")).join(", ") || "–"}</>;
}
