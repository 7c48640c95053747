import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Role } from "../../api/types";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { rolesQuery } from "../users/queries";
import { beyond, RoleModel } from "./model";
import { some } from "./words";

/** Why this viewer may not give the role to anybody, or null: nobody gives what they do not hold. */
export function useGivable(role: Pick<Role, "id" | "name" | "inherits" | "statements">): string | null {
  const me = useMe();
  const roles = useQuery(rolesQuery).data?.items;
  return useMemo(() => {
    const lacking = beyond(role, new RoleModel(roles ?? [role]), new Set(me.permissions));
    return lacking.length > 0 ? t("parent.above", { permissions: some(lacking) }) : null;
  }, [role, roles, me.permissions]);
}
