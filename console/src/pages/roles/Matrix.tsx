/**
 * Everything that every role says: permissions by category down, roles across. Changes gather here until they have been looked
 * at; what others save meanwhile comes in live, and where both changed a cell, a person decides.
 */
import Button from "@mui/material/Button";
import IconButton from "@mui/material/IconButton";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { asProblem } from "../../api/problem";
import type { Permission, Role } from "../../api/types";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { Hint } from "../../parts/basics";
import { Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import { ErrorState, Lines } from "../../parts/states";
import table from "../../parts/table.module.css";
import { useHidden } from "../../parts/useHidden";
import { usePhone } from "../../parts/usePhone";
import { rolesQuery } from "../users/queries";
import { editsNow, setEdits, useEdits } from "./draft";
import { collisions, countOf, edited, NO_EDITS, rolesWith, settled } from "./edits";
import { Legend } from "./Legend";
import { MatrixGrid } from "./MatrixGrid";
import { MatrixPhone } from "./MatrixPhone";
import { choicesFor, type Lock, lockOf, RoleModel, type Says, saying } from "./model";
import { permissionsQuery } from "./queries";
import css from "./roles.module.css";

const ActionMenu = lazy(() => import("../../parts/ActionMenu"));
const CellPanel = lazy(() => import("./CellPanel"));
const Review = lazy(() => import("./Review"));

/** Columns shown at first. Where there are more roles, those that can be changed come before the hub's own, the latest first. */
const FIRST = 12;

function firstOf(roles: Role[]): Set<string> {
  const latest = [...roles].reverse();
  const wanted = roles.length <= FIRST ? roles : [...latest.filter((role) => !role.predefined), ...latest.filter((role) => role.predefined)].slice(0, FIRST);
  return new Set(wanted.map((role) => role.id));
}

export interface View {
  roles: Role[];
  permissions: Permission[];
  /** As it is, and as it would be. */
  before: RoleModel;
  after: RoleModel;
  locks: Map<string, Lock>;
  held: ReadonlySet<string>;
}

export default function Matrix({ onOpen }: { onOpen: (role: string) => void }) {
  const query = useQuery(rolesQuery);
  const permissions = useQuery(permissionsQuery);
  const problem = query.error ?? permissions.error;
  if (problem && !(query.data && permissions.data)) return <ErrorState problem={asProblem(problem)} retry={() => void Promise.all([query.refetch(), permissions.refetch()])} />;
  if (!query.data || !permissions.data) return <div className={css.matrixFrame}><Lines count={12} height={28} /></div>;
  return <Loaded all={query.data.items} permissions={permissions.data} onOpen={onOpen} />;
}

function Loaded({ all, permissions, onOpen }: { all: Role[]; permissions: Permission[]; onOpen: (role: string) => void }) {
  const me = useMe();
  const phone = usePhone();
  const edits = useEdits();
  const wantedRole = useSearch({ from: "/shell/roles" }).role;
  const [text, setText] = useState("");
  const [hidden, hide] = useHidden("matrix");
  const [cell, setCell] = useState<{ role: string; permission: string; anchor: HTMLElement } | null>(null);
  const [reviewing, setReviewing] = useState(false);
  useEffect(() => setEdits(settled(editsNow(), all)), [all]);

  const held = useMemo(() => new Set(me.permissions), [me.permissions]);
  const before = useMemo(() => new RoleModel(all), [all]);
  const after = useMemo(() => new RoleModel(rolesWith(all, edits)), [all, edits]);
  const locks = useMemo(() => new Map(all.map((role) => [role.id, lockOf(role, before, held)])), [all, before, held]);
  const roles = useMemo(() => {
    const first = firstOf(all);
    return all.filter((role) => role.id === wantedRole || !(hidden[role.id] ?? !first.has(role.id)));
  }, [all, hidden, wantedRole]);
  const wanted = text.trim().toLowerCase();
  const shown = useMemo(() => permissions.filter((permission) => `${permission.name} ${permission.description}`.toLowerCase().includes(wanted)), [permissions, wanted]);
  const view: View = useMemo(() => ({ roles, permissions: shown, before, after, locks, held }), [roles, shown, before, after, locks, held]);

  const say = useCallback(
    (id: string, name: string, says: Says | null) => {
      const role = all.find((one) => one.id === id);
      const permission = permissions.find((one) => one.name === name);
      if (!role || !permission || locks.get(id)) return;
      const now = saying(role.statements, name);
      // What stands there is always to be had back.
      if (says !== now && !choicesFor(permission, { says: now }, held.has(name)).some((choice) => choice.open && choice.says === says)) return;
      setEdits(edited(editsNow(), role, name, says));
    },
    [all, permissions, locks, held],
  );
  const open = useCallback((role: string, permission: string, anchor: HTMLElement) => setCell({ role, permission, anchor }), []);
  const onFocused = (says: Says | null) => () => {
    const { role, permission } = (document.activeElement as HTMLElement | null)?.dataset ?? {};
    if (role && permission) say(role, permission, says);
  };
  const unsaved = countOf(edits);
  const box = useRef<HTMLInputElement>(null);
  const key = (id: string, keys: string, label: string, run: () => void) => ({ id: `matrix.${id}`, keys, label, run, group: t("matrix.keys"), keyOnly: true });
  useOffer([
    key("filter", "/", t("keys.filter"), () => box.current?.focus()),
    key("allow", "a", t("matrix.key.allow"), onFocused("everywhere")),
    key("deny", "d", t("matrix.key.deny"), onFocused("deny")),
    key("clear", "backspace", t("matrix.key.clear"), onFocused(null)),
    ...(unsaved > 0 ? [{ id: "matrix.review", keys: "s", label: t("matrix.review"), run: () => setReviewing(true), group: t("matrix.keys") }] : []),
  ]);
  const colliding = all.filter((role) => collisions(role, edits).length > 0).length;
  const opened = cell && all.find((role) => role.id === cell.role);
  const openedPermission = cell && permissions.find((permission) => permission.name === cell.permission);
  return (
    <div className={css.matrixFrame}>
      <div className={table.toolbar}>
        <div className={table.search}>
          <Field label={t("matrix.filter")} hideLabel placeholder={t("matrix.filter")} value={text} onValue={setText} inputRef={box} startAdornment={<Icon name="search" small />} />
        </div>
        {!phone && <Legend />}
        <span className={table.grow} />
        {!phone && <Columns roles={all} shown={roles} hide={hide} />}
      </div>
      {phone ? <MatrixPhone key={wantedRole} first={wantedRole} view={view} all={all} edits={edits} say={say} /> : <MatrixGrid view={view} edits={edits} onCell={open} onRole={onOpen} />}
      {unsaved > 0 && (
        <div className={css.unsaved} role="status">
          <span>
            {t("matrix.changes", { n: unsaved, roles: edits.size })}
            {colliding > 0 && <small>{t("matrix.colliding", { n: colliding })}</small>}
          </span>
          <Button variant="text" onClick={() => setEdits(NO_EDITS)}>{t("matrix.discard")}</Button>
          <Button variant="contained" onClick={() => setReviewing(true)}>{t("matrix.review")}</Button>
        </div>
      )}
      <Suspense>
        {cell && opened && openedPermission && <CellPanel anchor={cell.anchor} role={opened} roles={all} permission={openedPermission} lock={locks.get(opened.id) ?? null} before={before} after={after} held={held} edit={edits.get(opened.id)?.get(cell.permission)} say={say} onClose={() => setCell(null)} />}
        {reviewing && unsaved > 0 && <Review roles={all} edits={edits} onClose={() => setReviewing(false)} />}
      </Suspense>
    </div>
  );
}

function Columns({ roles, shown, hide }: { roles: Role[]; shown: Role[]; hide: (id: string, hidden: boolean) => void }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  return (
    <>
      <Hint text={t("matrix.columns")}>
        <IconButton aria-label={t("matrix.columns")} aria-haspopup="menu" onClick={(event) => setAnchor(event.currentTarget)}>
          <Icon name="columns" />
        </IconButton>
      </Hint>
      <Suspense>
        {anchor && (
          <ActionMenu
            anchor={anchor}
            onClose={() => setAnchor(null)}
            actions={roles.map((role) => {
              const is = shown.includes(role);
              return { id: role.id, label: roleName(role), checked: is, run: () => hide(role.id, is) };
            })}
          />
        )}
      </Suspense>
    </>
  );
}
