/** What the organization has set: a page of sections. */
import { useSearch } from "@tanstack/react-router";
import { Suspense, useEffect } from "react";
import { queries } from "../../app/queries";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/joining";
import { holdChannel, tapArrivals } from "../../live/store";
import { Lines } from "../../parts/states";
import page from "../account/account.module.css";
import { SectionNav } from "../account/SectionNav";
import { sectionsFor } from "./sections";

const CHANNEL = "feed:settings";

export default function Settings() {
  const me = useMe();
  const wanted = useSearch({ from: "/shell/settings" }).section;
  const sections = sectionsFor(me.permissions);
  const open = sections.find((section) => section.id === wanted) ?? sections[0];
  const Section = open?.component;
  useEffect(() => {
    const leave = holdChannel(CHANNEL);
    const deaf = tapArrivals((channel) => {
      if (channel === CHANNEL) for (const key of ["settings", "organization"]) void queries.invalidateQueries({ queryKey: [key] });
    });
    return () => {
      deaf();
      leave();
    };
  }, []);
  return (
    <PageFrame title={t("nav.settings")} name={t("nav.settings")}>
      <div className={page.split}>
        <SectionNav label={t("settings.sections")} to="/settings" sections={sections} open={open?.id} />
        <div className={page.narrow}>
          <Suspense fallback={<Lines count={4} height={44} />}>{Section && <Section key={open.id} />}</Suspense>
        </div>
      </div>
    </PageFrame>
  );
}
