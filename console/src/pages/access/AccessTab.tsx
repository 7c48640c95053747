/** What a person may do, how far, who gave it, and why; and what is said of them directly. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Access, User } from "../../api/types";
import { useMay, useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/roles";
import { holdChannel } from "../../live/store";
import { Act } from "../../parts/Act";
import { ErrorState, Lines } from "../../parts/states";
import { namesOf, reachWords, saysWords } from "../roles/words";
import { saysOf } from "../roles/model";
import { permissionsQuery } from "../roles/queries";
import { rolesQuery } from "../users/queries";
import css from "./access.module.css";
import { Ask } from "./Ask";
import EditDirect from "./EditDirect";
import { accessQuery, explainQuery } from "./queries";
import { By, Reasons } from "./Reasons";
import { RowName } from "./RowName";
import { teamName } from "./words";

export default function AccessTab({ user }: { user: User }) {
  const mayTeams = useMay("teams:read");
  // what their teams carry changes without them
  useEffect(() => (mayTeams ? holdChannel("feed:teams") : undefined), [mayTeams]);
  const query = useQuery({ ...accessQuery(user.id, user.version), placeholderData: (before) => before });
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={6} height={28} />;
  return (
    <div className={css.access}>
      <Roles access={query.data} />
      <Direct user={user} access={query.data} />
      <Held user={user} access={query.data} />
      <Ask user={user} given={query.data.given} />
    </div>
  );
}

function Roles({ access }: { access: Access }) {
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const carried = access.given.flatMap((one) => (one.role && one.team ? [{ ...one, role: one.role, team: one.team }] : []));
  return (
    <section>
      <h2>{t("field.roles")}</h2>
      {access.roles.length + carried.length === 0 && <p className={css.none}>{t("access.noRoles")}</p>}
      <ul className={css.list}>
        {access.roles.map((id) => (
          <li key={id}>
            <span>
              <Link to="/roles/$id" params={{ id }}>{namesOf([id], roles)}</Link>
              <small>
                {roles.find((role) => role.id === id)?.description}
                <By one={access.given.find((one) => one.role === id && !one.team)} />
              </small>
            </span>
          </li>
        ))}
        {carried.map((one) => (
          <li key={`${one.role} ${one.team.id}`} data-testid="carried">
            <span>
              <Link to="/roles/$id" params={{ id: one.role }}>{namesOf([one.role], roles)}</Link>
              <small>
                {t("access.through")} <Link to="/teams" search={{ open: one.team.id }}>{teamName(one.team)}</Link>
                <By one={one} />
              </small>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Direct({ user, access }: { user: User; access: Access }) {
  const me = useMe();
  const may = useMay("roles:assign");
  const [editing, setEditing] = useState(false);
  const { statements, single, given } = access;
  const allowed = user.can?.includes("roles.assign");
  const why = !may ? t("access.why.assign") : user.id === me.user.id ? t("access.why.own") : !allowed ? t("access.why.above") : null;
  return (
    <section>
      <div className={css.head}>
        <h2>{t("access.direct")}</h2>
        <Act variant="outlined" why={why} onClick={() => setEditing(true)}>{t("access.direct.edit")}</Act>
      </div>
      {(statements?.length ?? 0) + (single?.length ?? 0) === 0 && <p className={css.none}>{t("access.noDirect")}</p>}
      <ul className={css.list}>
        {statements?.map((statement) => (
          <li key={statement.permission}>
            <span>
              <code>{statement.permission}</code>
              <small>
                {saysWords(saysOf(statement))}
                <By one={given.find((one) => one.permission === statement.permission && !one.resource)} />
              </small>
            </span>
          </li>
        ))}
        {single?.map(({ permission, effect, resource }) => (
          <li key={`${permission} ${resource.id}`}>
            <span>
              <code>{permission}</code>
              <small>
                {t(effect === "deny" ? "access.denied" : "access.granted")} <RowName row={resource} />
                <By one={given.find((one) => one.permission === permission && one.resource?.id === resource.id)} />
              </small>
            </span>
          </li>
        ))}
      </ul>
      {editing && <EditDirect user={user} access={access} onClose={() => setEditing(false)} />}
    </section>
  );
}

function Held({ user, access }: { user: User; access: Access }) {
  const permissions = useQuery(permissionsQuery).data ?? [];
  const [open, setOpen] = useState<string | null>(null);
  return (
    <section>
      <h2>{t("access.held", { n: access.held.length })}</h2>
      {access.held.length === 0 && <p className={css.none}>{t("access.nothing")}</p>}
      <ul className={css.list} data-testid="held">
        {access.held.map((held) => (
          <li key={held.permission}>
            <span title={permissions.find((one) => one.name === held.permission)?.description}>
              <code>{held.permission}</code>
              <small>{reachWords(held)}</small>
            </span>
            <Button variant="text" aria-expanded={open === held.permission} aria-label={t("access.whyOf", { permission: held.permission })} onClick={() => setOpen(open === held.permission ? null : held.permission)}>{t("access.why")}</Button>
            {open === held.permission && <Why user={user} permission={held.permission} given={access.given} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Why({ user, permission, given }: { user: User; permission: string; given: Access["given"] }) {
  const query = useQuery(explainQuery(user.id, permission, null, user.version));
  if (query.error) return <ErrorState problem={asProblem(query.error)} />;
  if (!query.data) return <Lines count={2} />;
  return <Reasons explanation={query.data} given={given} />;
}
