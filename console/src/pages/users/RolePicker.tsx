import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import parts from "../../parts/parts.module.css";
import { rolesQuery } from "./queries";
import css from "./users.module.css";

/** The roles one may give: nobody gives a role that holds a permission they lack. */
export function RolePicker({ chosen, onChange }: { chosen: string[]; onChange: (roles: string[]) => void }) {
  const me = useMe();
  const { data } = useQuery(rolesQuery);
  const held = new Set(me.permissions);
  return (
    <fieldset className={parts.plain}>
      <legend className={parts.legend}>{t("field.roles")}</legend>
      <div className={css.roles}>
        {data?.items.map((role) => {
          const above = !chosen.includes(role.id) && role.permissions.some((permission) => !held.has(permission));
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
