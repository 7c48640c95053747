/** Who holds a role: given to more by their addresses, taken from those who are chosen, with what came of each. */
import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Role } from "../../api/types";
import { useMay, useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import type { Member } from "../../live/members";
import { holdChannel } from "../../live/store";
import { Act } from "../../parts/Act";
import { Face, Time } from "../../parts/basics";
import { BulkFrame, type Outcome, Outcomes } from "../../parts/bulk";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { useSelection } from "../../parts/useSelection";
import { teamName } from "../access/words";
import { useGivable } from "./givable";
import { assignMany, type BulkItem, membersQuery } from "./queries";
import css from "./roles.module.css";

const AddMembers = lazy(() => import("./AddMembers"));

interface Person {
  id: string;
  name: string;
}

const outcome = (name: (id: string) => string) => ({ user, done, detail }: BulkItem): Outcome<Person> => ({ item: { id: user, name: name(user) }, error: done ? null : (detail ?? t("bulk.refused")) });

/** What there is to say of a member: that they are none any more, that it is oneself, through which teams they hold it. */
function noteOf(member: Member, me: string): string {
  if (member.gone) return t("members.gone");
  const names = (member.teams ?? []).map(teamName).join(", ");
  const through = names && t(member.direct === false ? "members.through" : "members.throughToo", { teams: names });
  return [member.user === me && t("members.me"), through].filter(Boolean).join(" · ");
}

export function Members({ role }: { role: Role }) {
  const query = useInfiniteQuery(membersQuery(role.id));
  const me = useMe();
  const mayAssign = useMay("roles:assign");
  const mayTeams = useMay("teams:read");
  useEffect(() => (mayTeams ? holdChannel("feed:teams") : undefined), [mayTeams]);
  const above = useGivable(role);
  const why = mayAssign ? above : t("members.why");
  const [adding, setAdding] = useState(false);
  const [taking, setTaking] = useState(false);
  const [done, setDone] = useState<Outcome<Person>[] | null>(null);
  const [count, setCount] = useState(0);
  const chosen = useSelection<Person>();
  const members = query.data?.pages.flatMap((page) => page.items) ?? [];
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={4} height={44} />;
  const take = async () => {
    const people = [...chosen.rows.values()];
    const name = (id: string) => chosen.rows.get(id)?.name ?? id;
    setCount(people.length);
    const items = await assignMany(people.map((person) => person.id), { take: [role.id] }, () => {});
    setDone(items.map(outcome(name)));
  };
  return (
    <div className={parts.stack}>
      {!role.gone && (
        <div>
          <Act variant="outlined" startIcon={<Icon name="plus" small />} why={why} onClick={() => setAdding(true)}>{t("members.add")}</Act>
        </div>
      )}
      {members.length === 0 ? (
        <EmptyState icon="users" title={t("members.empty.title")} text={t("members.empty.text")} />
      ) : (
        <ul className={css.members} data-testid="members">
          {members.map((member) => (
            <li key={member.user} className={member.gone ? css.gone : undefined}>
              {mayAssign && !member.gone && member.direct !== false && member.user !== me.user.id && <input type="checkbox" aria-label={t("list.select", { name: member.name })} checked={chosen.rows.has(member.user)} onChange={() => chosen.toggle({ id: member.user, name: member.name })} />}
              <Face name={member.name} id={member.user} />
              <span>
                <Link to="/users/$id" params={{ id: member.user }} search={{ tab: "access" }}>{member.name}</Link>
                <small>{noteOf(member, me.user.id)}</small>
              </span>
              <Time at={member.granted_at} />
            </li>
          ))}
        </ul>
      )}
      {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
      {chosen.rows.size > 0 && !done && (
        <BulkFrame label={t("members.chosen")} count={chosen.rows.size} clear={chosen.clear}>
          <Button variant="outlined" color="error" onClick={() => setTaking(true)}>{t("members.take")}</Button>
        </BulkFrame>
      )}
      <ConfirmWithImpact open={taking} onClose={() => setTaking(false)} title={t("members.take.title", { role: roleName(role) })} impact={t("members.take.impact", { n: chosen.rows.size })} text={t("members.take.text")} action={t("members.take")} run={take} />
      {done && (
        <Outcomes
          done={done}
          count={count}
          name={(person) => person.name}
          onClose={() => {
            setDone(null);
            chosen.clear();
          }}
        />
      )}
      <Suspense>{adding && <AddMembers role={role} onClose={() => setAdding(false)} />}</Suspense>
    </div>
  );
}
