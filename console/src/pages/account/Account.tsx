/** What is mine: a page of sections. While a password must be changed, the only page, with nothing but that. */
import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useSearch } from "@tanstack/react-router";
import { Suspense } from "react";
import { leaveNow } from "../../app/leave";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/account";
import { Icon } from "../../parts/Icon";
import { Lines } from "../../parts/states";
import page from "./account.module.css";
import { SectionNav } from "./SectionNav";
import { sectionsFor } from "./sections";

export default function Account() {
  const me = useMe();
  const wanted = useSearch({ from: "/shell/account" }).section;
  const sections = sectionsFor(me);
  const open = sections.find((section) => section.id === wanted) ?? sections[0];
  const Section = open?.component;
  return (
    <PageFrame
      title={t("account.title")}
      name={t("account.title")}
      actions={
        // whoever acts as somebody ends that, and is signed out of nothing
        !me.impersonation && (
          <Button variant="outlined" startIcon={<Icon name="out" small />} onClick={() => void leaveNow()}>
            {t("signout")}
          </Button>
        )
      }
    >
      {me.must_change_password && <Alert severity="warning" icon={false}>{t("account.mustChange")}</Alert>}
      <div className={page.split}>
        {sections.length > 1 && <SectionNav label={t("account.sections")} to="/account" sections={sections} open={open?.id} />}
        <div className={page.narrow}>
          <Suspense fallback={<Lines count={4} height={44} />}>{Section && <Section key={open.id} />}</Suspense>
        </div>
      </div>
    </PageFrame>
  );
}
