/** What the organization has set: a page of sections. */
import { Link, useSearch } from "@tanstack/react-router";
import { Suspense, useEffect } from "react";
import { queries } from "../../app/queries";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/joining";
import { holdChannel, tapArrivals } from "../../live/store";
import { Lines } from "../../parts/states";
import page from "../account/account.module.css";
import { sectionsFor } from "./sections";

const CHANNEL = "feed:settings";
/** Without a section the address is that of the first alone. */
const EXACTLY = { exact: true, includeSearch: true };

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
        <nav className={page.sections} aria-label={t("settings.sections")}>
          {sections.map((section) => (
            <Link key={section.id} to="/settings" search={section === sections[0] ? {} : { section: section.id }} replace activeOptions={EXACTLY} aria-current={section === open ? "page" : undefined}>
              {t(section.label)}
            </Link>
          ))}
        </nav>
        <div className={page.narrow}>
          <Suspense fallback={<Lines count={4} height={44} />}>{Section && <Section key={open.id} />}</Suspense>
        </div>
      </div>
    </PageFrame>
  );
}
