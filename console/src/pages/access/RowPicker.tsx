/** Which row a question or a statement is about: a person, a team, or everything. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { t } from "../../i18n";
import { Choice } from "../../parts/Field";
import { PersonPicker, type Picked } from "../../parts/PersonPicker";
import { teamsQuery } from "../users/queries";
import type { Row } from "./queries";

export function RowPicker({ kind, onRow, label }: { kind: string; onRow: (row: Row | null) => void; label?: string }) {
  const [person, setPerson] = useState<Picked | null>(null);
  if (kind === "team") return <TeamPicker onRow={onRow} label={label} />;
  if (kind !== "user") return null;
  const pick = (picked: Picked | null) => {
    setPerson(picked);
    onRow(picked && { kind, id: picked.id });
  };
  return <PersonPicker label={label ?? t("access.onPerson")} picked={person} onPick={pick} />;
}

function TeamPicker({ onRow, label }: { onRow: (row: Row | null) => void; label?: string }) {
  const teams = useQuery(teamsQuery).data?.items ?? [];
  const [id, setId] = useState("");
  const pick = (value: string) => {
    setId(value);
    onRow(value ? { kind: "team", id: value } : null);
  };
  return <Choice label={label ?? t("access.onTeam")} value={id} onValue={pick} options={[{ value: "", label: t("access.anyTeam") }, ...teams.map((team) => ({ value: team.id, label: team.name }))]} />;
}
