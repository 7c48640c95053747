/** The parts of a page, of which one is open. Where they stand in a row that is too long, the open one is in sight. */
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { t, type TextId } from "../../i18n";
import page from "./account.module.css";

/** Without a section the address is that of the first alone. */
const EXACTLY = { exact: true, includeSearch: true };

interface Props {
  label: string;
  to: "/account" | "/settings";
  sections: { id: string; label: TextId }[];
  open: string | undefined;
}

export function SectionNav({ label, to, sections, open }: Props) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // newer browsers answer with a promise, which is nothing to clean up by
    void nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [open]);
  return (
    <nav className={page.sections} aria-label={label} ref={nav}>
      {sections.map((section, at) => (
        <Link key={section.id} to={to} search={at === 0 ? {} : { section: section.id }} replace activeOptions={EXACTLY} aria-current={section.id === open ? "page" : undefined}>
          {t(section.label)}
        </Link>
      ))}
    </nav>
  );
}
