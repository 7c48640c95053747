import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { PageFrame } from "../../app/shell/PageFrame";
import { t } from "../../i18n";
import "../../i18n/people";
import { Card } from "../../parts/basics";
import page from "../account/account.module.css";
import { userQuery } from "./queries";
import UserDetail from "./UserDetail";

export default function UserPage() {
  const { id } = useParams({ from: "/shell/users/$id" });
  const { tab } = useSearch({ from: "/shell/users/$id" });
  const navigate = useNavigate({ from: "/users/$id" });
  const name = useQuery(userQuery(id)).data?.name ?? t("user.title");
  return (
    <PageFrame title={name} name={name} parent={{ to: "/users", name: "nav.users" }}>
      <div className={page.narrow}>
        <Card flush>
          <UserDetail id={id} tab={tab ?? "profile"} onTab={(next) => void navigate({ search: next === "profile" ? {} : { tab: next }, replace: true })} />
        </Card>
      </div>
    </PageFrame>
  );
}
