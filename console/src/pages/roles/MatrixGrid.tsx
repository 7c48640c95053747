/** The matrix as a grid: one stop for Tab, arrows move about in it, Enter opens a cell. */
import { memo, useCallback, useRef } from "react";
import type { Permission, Role } from "../../api/types";
import { roleName, t } from "../../i18n";
import { Hint } from "../../parts/basics";
import { Icon } from "../../parts/Icon";
import { collisions, type Edits } from "./edits";
import { sourceWords } from "./Gives";
import { Mark } from "./Mark";
import type { View } from "./Matrix";
import type { On, State } from "./model";
import css from "./roles.module.css";
import { categoryName, lockWords } from "./words";

interface Props {
  view: View;
  edits: Edits;
  onCell: (role: string, permission: string, anchor: HTMLElement) => void;
  onRole: (role: string) => void;
}

const STEPS: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export function MatrixGrid({ view, edits, onCell, onRole }: Props) {
  const { roles, permissions } = view;
  const box = useRef<HTMLDivElement>(null);
  const at = (row: number, column: number) => box.current?.querySelector<HTMLElement>(`[data-at="${row} ${column}"]`);

  // Written to the document itself: no cell renders because the focus moves.
  const onFocus = (event: React.FocusEvent) => {
    const target = event.target as HTMLElement;
    if (!target.dataset.at) return;
    for (const other of box.current?.querySelectorAll<HTMLElement>('[data-at][tabindex="0"]') ?? []) other.tabIndex = -1;
    target.tabIndex = 0;
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const place = (event.target as HTMLElement).dataset.at?.split(" ").map(Number);
    const step = STEPS[event.key];
    if (!place) return;
    const [row = 0, column = 0] = place;
    const next = step ? at(row + step[0], column + step[1]) : event.key === "Home" ? at(row, 0) : event.key === "End" ? at(row, roles.length - 1) : null;
    if (step || next) event.preventDefault();
    next?.focus();
  };
  const press = useCallback((event: React.MouseEvent<HTMLElement>) => {
    const { role, permission } = event.currentTarget.dataset;
    if (role && permission) onCell(role, permission, event.currentTarget);
  }, [onCell]);

  const collides = new Map(roles.map((role) => [role.id, new Set(collisions(role, edits).map((one) => one.permission))]));
  let category = "";
  let row = -1;
  return (
    <div className={css.scroll} ref={box} onFocus={onFocus} onKeyDown={onKeyDown}>
      <table className={css.matrix} role="grid" aria-label={t("roles.matrix")} aria-rowcount={permissions.length + 1} aria-colcount={roles.length + 1}>
        <thead>
          <tr>
            <th scope="col">{t("matrix.permission")}</th>
            {roles.map((role) => (
              <RoleHead key={role.id} role={role} why={lockWords(view.locks.get(role.id) ?? null)} changed={edits.get(role.id)?.size ?? 0} onRole={onRole} />
            ))}
          </tr>
        </thead>
        <tbody>
          {permissions.length === 0 && (
            <tr><td colSpan={roles.length + 1} className={css.nothing}>{t("matrix.none")}</td></tr>
          )}
          {permissions.flatMap((permission) => {
            row += 1;
            const line = row;
            const heading = permission.category === category ? [] : [<Category key={permission.category} name={permission.category} columns={roles.length} />];
            category = permission.category;
            const cells = roles.map((role, column) => {
              const [was, is] = [view.before.cell(role.id, permission.name), view.after.cell(role.id, permission.name)];
              const edit = edits.get(role.id)?.has(permission.name) ?? false;
              const clash = collides.get(role.id)?.has(permission.name) ?? false;
              const words = `${permission.name}, ${roleName(role)}: ${sourceWords(is, roles)}${edit ? `, ${t("cell.changed")}` : ""}${clash ? `, ${t("cell.clash")}` : ""}`;
              return <Cell key={role.id} at={`${line} ${column}`} role={role.id} permission={permission.name} state={is.state} on={is.gives} words={words} changed={edit} clash={clash} ripple={!edit && (was.state !== is.state || was.gives !== is.gives)} locked={view.locks.get(role.id) !== null} press={press} />;
            });
            return [...heading, <tr key={permission.name}><Name permission={permission} />{cells}</tr>];
          })}
        </tbody>
      </table>
    </div>
  );
}

const Category = ({ name, columns }: { name: string; columns: number }) => (
  <tr className={css.category}>
    <th scope="rowgroup">{categoryName(name)}</th>
    <td colSpan={columns} />
  </tr>
);

const Name = memo(function Name({ permission }: { permission: Permission }) {
  return (
    <th scope="row" title={permission.description}>
      <code>{permission.name}</code>
      <small>{permission.description}</small>
    </th>
  );
});

function RoleHead({ role, why, changed, onRole }: { role: Role; why: string | null; changed: number; onRole: (role: string) => void }) {
  const name = roleName(role);
  return (
    <th scope="col" className={changed > 0 ? css.changedHead : undefined}>
      <button type="button" onClick={() => onRole(role.id)}>{name}</button>
      {why && (
        <Hint text={why}>
          <span className={css.lock} role="img" aria-label={t("matrix.locked", { why })} tabIndex={0}>
            <Icon name="lock" small />
          </span>
        </Hint>
      )}
      {changed > 0 && <small>{t("matrix.inRole", { n: changed })}</small>}
    </th>
  );
}

interface CellProps {
  at: string;
  role: string;
  permission: string;
  state: State;
  on: On | null;
  words: string;
  changed: boolean;
  clash: boolean;
  ripple: boolean;
  locked: boolean;
  press: (event: React.MouseEvent<HTMLElement>) => void;
}

const Cell = memo(function Cell({ at, role, permission, state, on, words, changed, clash, ripple, locked, press }: CellProps) {
  const classes = [css.cell, changed && css.changed, clash && css.clash, ripple && css.ripple, locked && css.locked].filter(Boolean).join(" ");
  return (
    <td>
      <button type="button" className={classes} data-at={at} data-role={role} data-permission={permission} data-state={state} tabIndex={at === "0 0" ? 0 : -1} aria-label={words} aria-haspopup="dialog" onClick={press}>
        <Mark state={state} on={on} />
      </button>
    </td>
  );
});
