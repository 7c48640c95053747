import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { PageFrame } from "../../app/shell/PageFrame";
import { roleName, t } from "../../i18n";
import "../../i18n/roles";
import { Card } from "../../parts/basics";
import page from "../account/account.module.css";
import { rolesQuery } from "../users/queries";
import RoleDetail from "./RoleDetail";

export default function RolePage() {
  const { id } = useParams({ from: "/shell/roles/$id" });
  const { tab } = useSearch({ from: "/shell/roles/$id" });
  const navigate = useNavigate({ from: "/roles/$id" });
  const role = useQuery(rolesQuery).data?.items.find((one) => one.id === id);
  const name = role ? roleName(role) : t("roles.one");
  return (
    <PageFrame title={name} name={name} parent={{ to: "/roles", name: "nav.roles" }}>
      <div className={page.narrow}>
        <Card flush>
          <RoleDetail key={id} id={id} tab={tab ?? "role"} onTab={(next) => void navigate({ search: next === "role" ? {} : { tab: next }, replace: true })} onDeleted={() => void navigate({ to: "/roles" })} />
        </Card>
      </div>
    </PageFrame>
  );
}
