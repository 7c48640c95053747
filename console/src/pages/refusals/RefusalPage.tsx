/** Why somebody was refused, by the id that the refusal carried; as things are now. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { asProblem } from "../../api/problem";
import type { Refusal } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/roles";
import { Card, Facts, Id, Time } from "../../parts/basics";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { refusalQuery } from "../access/queries";
import { Reasons } from "../access/Reasons";
import { RowName } from "../access/RowName";
import css from "../access/access.module.css";
import page from "../account/account.module.css";
import { userQuery } from "../users/queries";

export default function RefusalPage() {
  const { id } = useParams({ from: "/shell/refusals/$id" });
  const query = useQuery(refusalQuery(id));
  const problem = query.error && asProblem(query.error);
  return (
    <PageFrame title={t("refusal.title")} name={t("refusal.title")}>
      <div className={page.narrow}>
        {problem?.status === 404 ? (
          <EmptyState icon="search" title={t("refusal.none.title")} text={t("refusal.none.text")}>
            <Button variant="outlined" component={Link} to="/">{t("notfound.action")}</Button>
          </EmptyState>
        ) : problem ? (
          <ErrorState problem={problem} retry={() => void query.refetch()} />
        ) : !query.data ? (
          <Card title={t("refusal.what")}><Lines count={6} height={28} /></Card>
        ) : (
          <Opened refusal={query.data} />
        )}
      </div>
    </PageFrame>
  );
}

function Opened({ refusal: { at, code, trace_id, user, beyond_scopes, explanation } }: { refusal: Refusal }) {
  const mayPeople = useMay("users:read");
  const name = useQuery({ ...userQuery(user ?? ""), enabled: mayPeople && Boolean(user), retry: false }).data?.name;
  return (
    <>
      <Card title={t("refusal.what")}>
        <Facts
          facts={[
            [t("refusal.who"), user ? <Link key="who" to="/users/$id" params={{ id: user }} search={{ tab: "access" }}>{name ?? user}</Link> : t("refusal.nobody")],
            ...(explanation ? ([[t("access.permission"), <code key="permission">{explanation.permission}</code>], [t("refusal.on"), explanation.resource ? <RowName key="on" row={explanation.resource} /> : t("refusal.all")]] as [string, React.ReactNode][]) : []),
            [t("refusal.code"), <code key="code">{code}</code>],
            [t("field.at"), <Time key="at" at={at} />],
            [t("field.trace"), <Id key="trace" value={trace_id} />],
          ]}
        />
      </Card>
      <Card title={t("refusal.why")}>
        {explanation ? <Reasons explanation={explanation} /> : <p>{t("refusal.other")}</p>}
        {beyond_scopes ? <p className={css.since}>{t("refusal.scopes")}</p> : explanation?.allowed && <p className={css.since}>{t("refusal.since")}</p>}
      </Card>
    </>
  );
}
