/** Who I am here. */
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { Card, Facts, Id } from "../../parts/basics";

export default function Profile() {
  const me = useMe();
  return (
    <Card title={t("account.about")}>
      <Facts
        facts={[
          [t("field.name"), me.user.name],
          [t("field.email"), me.user.email],
          [t("field.organization"), me.organization.name],
          [t("field.roles"), me.roles.map(roleName).join(", ")],
          [t("field.session"), <Id key="id" value={me.session_id ?? ""} />],
        ]}
      />
    </Card>
  );
}
