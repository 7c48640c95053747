/** What a role gives in the end, and from where it has it. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Role } from "../../api/types";
import { t } from "../../i18n";
import { type Cell, RoleModel } from "./model";
import { permissionsQuery } from "./queries";
import css from "./roles.module.css";
import { categoryName, namesOf, saysWords } from "./words";
import { Mark } from "./Mark";

export function Gives({ role, roles }: { role: Role; roles: Role[] }) {
  const permissions = useQuery(permissionsQuery).data;
  const model = useMemo(() => new RoleModel(roles.filter((one) => !one.gone)), [roles]);
  if (!permissions) return null;
  const cells = permissions.map((permission) => ({ permission, cell: model.cell(role.id, permission.name) })).filter(({ cell }) => cell.state !== "none");
  if (cells.length === 0) return <p className={css.note}>{t("roles.givesNothing")}</p>;
  return (
    <>
      {[...Map.groupBy(cells, ({ permission }) => permission.category)].map(([category, of]) => (
        <section key={category}>
          <h2>{categoryName(category)}</h2>
          <ul className={css.gives}>
            {of.map(({ permission, cell }) => (
              <li key={permission.name}>
                <Mark state={cell.state} on={cell.gives} />
                <span>
                  <code>{permission.name}</code>
                  <small>{sourceWords(cell, roles)}</small>
                </span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

/** "On everything, from Support". */
export function sourceWords(cell: Cell, roles: readonly Pick<Role, "id" | "name">[]): string {
  if (cell.state === "none") return t("says.none");
  if (cell.state === "denied") return t("says.deny");
  if (cell.state === "barred") return t("cell.barred", { names: namesOf(cell.from, roles) });
  const far = saysWords(cell.gives);
  return cell.state === "inherited" ? t("cell.inherited", { far, names: namesOf(cell.from, roles) }) : far;
}
