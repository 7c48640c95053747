/** A single row that something is said about, by its name where it can be seen. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { teamsQuery, userQuery } from "../users/queries";
import { useMay } from "../../auth/session";
import { t, tOr } from "../../i18n";

export function RowName({ row }: { row: { kind: string; id: string } }) {
  if (row.kind === "user") return <Person id={row.id} />;
  if (row.kind === "team") return <TeamName id={row.id} />;
  return <>{`${tOr(`kind.${row.kind}`, row.kind)} ${row.id}`}</>;
}

function Person({ id }: { id: string }) {
  const may = useMay("users:read");
  const name = useQuery({ ...userQuery(id), enabled: may, retry: false }).data?.name;
  return <Link to="/users/$id" params={{ id }}>{name ?? t("access.someone", { id: id.slice(0, 8) })}</Link>;
}

function TeamName({ id }: { id: string }) {
  const may = useMay("teams:read");
  const name = useQuery({ ...teamsQuery, enabled: may }).data?.items.find((team) => team.id === id)?.name;
  return <Link to="/teams" search={{ open: id }}>{name ?? t("access.team", { id: id.slice(0, 8) })}</Link>;
}
