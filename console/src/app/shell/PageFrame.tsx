/** A page's header and content. `parent`: the list it belongs to. `fill`: the content takes the height that is left. */
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { t } from "../../i18n";
import { Icon } from "../../parts/Icon";
import type { Page } from "./pages";
import css from "./shell.module.css";

export function PageFrame({ title, name, parent, count, actions, fill, children }: { title: ReactNode; name: string; parent?: Pick<Page, "to" | "name">; count?: ReactNode; actions?: ReactNode; fill?: boolean; children: ReactNode }) {
  useEffect(() => {
    document.title = `${name} · Signalbox`;
  }, [name]);
  return (
    <div className={`${css.page} ${fill ? css.fill : css.flow}`}>
      <div className={css.header}>
        {parent && (
          <Link to={parent.to} className={css.parent}>
            <Icon name="back" small />
            {t(parent.name)}
          </Link>
        )}
        <h1>
          {title}
          {count !== undefined && <small>{count}</small>}
        </h1>
        <span className={css.gap} />
        {actions}
      </div>
      {children}
    </div>
  );
}
