import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay } from "../../auth/session";
import { bytes, t } from "../../i18n";
import "../../i18n/imports";
import { AlsoHere } from "../../parts/AlsoHere";
import { Card, Facts, Id, Time } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import page from "../account/account.module.css";
import { ImportProgress } from "./ImportProgress";
import { importQuery } from "./queries";
import css from "./imports.module.css";

export default function ImportPage() {
  const { id } = useParams({ from: "/shell/imports/$id" });
  const one = useQuery(importQuery(id)).data;
  const mayUsers = useMay("users:read");
  const name = one?.file?.name ?? t("import.title");
  return (
    <PageFrame
      title={name}
      name={name}
      parent={{ to: "/imports", name: "nav.imports" }}
      actions={
        <>
          <AlsoHere path={`/imports/${id}`} />
          {mayUsers && one?.mode === "commit" && <Button variant="contained" component={Link} to="/users" startIcon={<Icon name="users" small />}>{t("import.seeUsers")}</Button>}
        </>
      }
    >
      <div className={page.narrow}>
        <Card title={one ? t(`mode.${one.mode}` as "mode.commit") : t("import.title")} flush>
          <div className={css.body}>
            <ImportProgress id={id} />
          </div>
        </Card>
        {one && (
          <Card title={t("import.about")}>
            <Facts
              facts={[
                [t("field.file"), one.file ? `${one.file.name} · ${bytes(one.file.size)}` : null],
                [t("field.by"), one.created_by?.name],
                [t("field.created"), <Time key="created" at={one.created_at} />],
                [t("field.finished"), <Time key="finished" at={one.finished_at} />],
                [t("field.hash"), one.file?.sha256 ? <Id key="hash" value={one.file.sha256} /> : null],
                ...(one.job_id ? ([[t("field.job"), <Link key="job" to="/jobs/$id" params={{ id: one.job_id }}>{t("import.openJob")}</Link>]] as [string, React.ReactNode][]) : []),
                [t("field.id"), <Id key="id" value={one.id} />],
              ]}
            />
          </Card>
        )}
      </div>
    </PageFrame>
  );
}
