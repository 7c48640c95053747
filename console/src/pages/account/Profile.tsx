/** Who I am here: what I say of myself, who sees it, my wallets, my address. */
import Alert from "@mui/material/Alert";
import { useQuery } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { NewWallet, Wallet } from "../../api/types";
import { queries } from "../../app/queries";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import "../../i18n/joining";
import { Card, Facts, Id } from "../../parts/basics";
import { ErrorState, Lines } from "../../parts/states";
import { Email } from "./Email";
import { privacyQuery, profileQuery } from "./profile";
import { ProfileForm } from "./ProfileForm";
import { PrivacyForm } from "./PrivacyForm";
import { Wallets } from "./Wallets";

const link = async (wallet: NewWallet) => {
  queries.setQueryData(profileQuery.queryKey, await must(api.POST("/api/v1/me/wallets", { params: { header: once() } as never, body: wallet })));
};

const unlink = async ({ id }: Wallet) => {
  await must(api.DELETE("/api/v1/me/wallets/{id}", { params: { path: { id } } }));
  await queries.invalidateQueries({ queryKey: profileQuery.queryKey });
};

export default function Profile() {
  const me = useMe();
  return (
    <>
      <Card title={t("account.about")}>
        <Facts
          facts={[
            [t("field.name"), me.user.name],
            [t("field.organization"), me.organization.name],
            [t("field.roles"), me.roles.map(roleName).join(", ") || null],
            [t("field.session"), <Id key="id" value={me.session_id ?? ""} />],
          ]}
        />
      </Card>
      {me.impersonation ? <Alert severity="info" icon={false}>{t("account.theirs", { name: me.user.name })}</Alert> : <Own />}
    </>
  );
}

/** What only the person has a hand in. */
function Own() {
  const profile = useQuery(profileQuery);
  const privacy = useQuery(privacyQuery);
  const error = profile.error ?? privacy.error;
  return (
    <>
      <Email />
      {error && <ErrorState problem={asProblem(error)} retry={() => void Promise.all([profile.refetch(), privacy.refetch()])} />}
      {!error && (!profile.data || !privacy.data) && <Lines count={4} height={44} />}
      {profile.data && <ProfileForm key={profile.data.version} profile={profile.data} />}
      {profile.data && <Wallets wallets={profile.data.wallets ?? []} why={null} link={link} unlink={unlink} />}
      {privacy.data && <PrivacyForm privacy={privacy.data} />}
    </>
  );
}
