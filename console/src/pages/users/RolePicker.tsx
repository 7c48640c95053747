import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import "../../i18n/people";
import parts from "../../parts/parts.module.css";
import { beyond, RoleModel } from "../roles/model";
import { rolesQuery } from "./queries";
import css from "./users.module.css";

/** The roles one may give: nobody gives a role that gives a permission they lack, by itself or by a parent. No team carries the owner role. */
export function RolePicker({ chosen, onChange, forTeam = false }: { chosen: string[]; onChange: (roles: string[]) => void; forTeam?: boolean }) {
  const me = useMe();
  const all = useQuery(rolesQuery).data?.items;
  const roles = useMemo(() => all?.filter((role) => !(forTeam && role.predefined && role.name === "owner")), [all, forTeam]);
  const model = useMemo(() => new RoleModel(all ?? []), [all]);
  const held = useMemo(() => new Set(me.permissions), [me.permissions]);
  return (
    <fieldset className={parts.plain}>
      <legend className={parts.legend}>{t("field.roles")}</legend>
      <div className={css.roles}>
        {roles?.map((role) => {
          const above = !chosen.includes(role.id) && beyond(role, model, held).length > 0;
          return (
            <FormControlLabel
              key={role.id}
              disabled={above}
              label={above ? t("roles.above", { name: roleName(role) }) : roleName(role)}
              control={<Checkbox checked={chosen.includes(role.id)} onChange={(event) => onChange(event.target.checked ? [...chosen, role.id] : chosen.filter((id) => id !== role.id))} />}
            />
          );
        })}
      </div>
    </fieldset>
  );
}
