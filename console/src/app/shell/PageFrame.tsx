/** A page's header and content. `fill`: the content takes the height that is left. */
import { type ReactNode, useEffect } from "react";
import css from "./shell.module.css";

export function PageFrame({ title, name, count, actions, fill, children }: { title: ReactNode; name: string; count?: ReactNode; actions?: ReactNode; fill?: boolean; children: ReactNode }) {
  useEffect(() => {
    document.title = `${name} · Signalbox`;
  }, [name]);
  return (
    <div className={`${css.page} ${fill ? css.fill : css.flow}`}>
      <div className={css.header}>
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
