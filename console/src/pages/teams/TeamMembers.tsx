/** Who is in a team, as its leads or members; kept true by the events about people. */
import Button from "@mui/material/Button";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Team, User } from "../../api/types";
import { roleName, t } from "../../i18n";
import type { ListPage } from "../../live/apply";
import { useLiveList } from "../../live/useLiveList";
import { Face } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { PersonPicker } from "../../parts/PersonPicker";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { fetchUsers } from "../users/queries";
import { putMember, takeMember } from "./queries";
import css from "./teams.module.css";

type Role = "lead" | "member";
const roleIn = (user: User, team: string): Role | null => user.teams.find((one) => one.id === team)?.role ?? null;

export function TeamMembers({ team }: { team: Team }) {
  const filters = useMemo(() => ({ team: team.id, sort: "name" }), [team.id]);
  const fetchPage = useMemo(() => fetchUsers(filters) as (cursor: string | null, signal: AbortSignal) => Promise<ListPage<User>>, [filters]);
  const list = useLiveList<User>({ kind: "user", key: "users", filters, fetchPage, newestFirst: false, calm: false });
  const [taking, setTaking] = useState<User | null>(null);
  // Counts, so that the field is empty again for the next one.
  const [added, setAdded] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const may = team.can.includes("teams.add_member");
  const attempt = async (act: () => Promise<void>) => {
    setProblem(null);
    await act().catch((error: unknown) => setProblem(asProblem(error)));
  };
  const add = (id: string, name: string) =>
    attempt(async () => {
      await putMember(team.id, id, "member");
      toast(t("teams.added", { name }));
      setAdded((n) => n + 1);
      list.reload();
    });
  const take = async () => {
    if (!taking) return;
    await takeMember(team.id, taking.id);
    toast(t("teams.taken", { name: taking.name }));
  };
  if (list.error) return <ErrorState problem={list.error} retry={list.reload} />;
  if (list.pending) return <Lines count={4} height={44} />;
  return (
    <section className={parts.stack}>
      <h3>{t("teams.people")}</h3>
      {may && <PersonPicker key={added} label={t("teams.add")} picked={null} onPick={(person) => void (person && add(person.id, person.name))} />}
      <ErrorLine problem={problem} />
      {list.rows.length === 0 && <p className={parts.muted}>{t("teams.nobody")}</p>}
      <ul className={css.members} data-testid="team-members">
        {list.rows.map((user) => {
          const role = roleIn(user, team.id);
          return (
            <li key={user.id} className={role === null || user.gone ? css.gone : undefined}>
              <Face name={user.name} id={user.id} />
              <span>
                <Link to="/users/$id" params={{ id: user.id }}>{user.name}</Link>
                <small>{role === null || user.gone ? t("teams.left") : t(role === "lead" ? "teams.lead" : "teams.member")}</small>
              </span>
              {may && role && (
                <>
                  <Choice label={t("teams.roleOf", { name: user.name })} hideLabel value={role} onValue={(next) => void attempt(() => putMember(team.id, user.id, next as Role))} options={[{ value: "member", label: t("teams.member") }, { value: "lead", label: t("teams.lead") }]} />
                  <Button variant="text" aria-label={t("teams.take.of", { name: user.name })} onClick={() => setTaking(user)}>{t("teams.take")}</Button>
                </>
              )}
            </li>
          );
        })}
      </ul>
      {list.waiting > 0 && <Button variant="text" onClick={list.showNew}>{t("list.new", { n: list.waiting })}</Button>}
      {list.more && <Button variant="text" onClick={list.loadMore}>{t("list.more")}</Button>}
      <ConfirmWithImpact open={taking !== null} onClose={() => setTaking(null)} title={t("teams.take.title", { name: taking?.name, team: team.name })} text={t(team.roles.length > 0 ? "teams.take.textRoles" : "teams.take.text", { roles: team.roles.map(roleName).join(", ") })} action={t("teams.take")} run={take} />
    </section>
  );
}
