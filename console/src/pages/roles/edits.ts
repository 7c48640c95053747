/**
 * Changes that are not saved yet, cell by cell. Each remembers what stood there when it was made, so that what somebody else
 * saves meanwhile is seen: where both changed a cell, a person decides; all others merge. Pure.
 */
import type { Role, Statement } from "../../api/types";
import { type RoleLike, type Says, saying, statementOf } from "./model";

export interface Edit {
  was: Says | null;
  to: Says | null;
}

/** By role, then by permission. */
export type Edits = ReadonlyMap<string, ReadonlyMap<string, Edit>>;

export const NO_EDITS: Edits = new Map();

const withRole = (edits: Edits, role: string, cells: ReadonlyMap<string, Edit>): Edits => {
  const next = new Map(edits);
  if (cells.size === 0) next.delete(role);
  else next.set(role, cells);
  return next;
};

/** Puts `to` into a cell. Back to what is there now, it is no change any more. */
export function edited(edits: Edits, role: RoleLike, permission: string, to: Says | null): Edits {
  const now = saying(role.statements, permission);
  const cells = new Map(edits.get(role.id));
  const before = cells.get(permission);
  if (to === now) cells.delete(permission);
  else cells.set(permission, { was: before ? before.was : now, to });
  return withRole(edits, role.id, cells);
}

/** Without the changes of one role. */
export const without = (edits: Edits, role: string): Edits => withRole(edits, role, new Map());

/** Without what came true by itself, and without roles that are gone. */
export function settled(edits: Edits, roles: readonly Role[]): Edits {
  let next = edits;
  for (const [id, cells] of edits) {
    const role = roles.find((one) => one.id === id && !one.gone);
    const left = role ? [...cells].filter(([permission, { to }]) => saying(role.statements, permission) !== to) : [];
    if (left.length < cells.size) next = withRole(next, id, new Map(left));
  }
  return next;
}

export interface Collision {
  permission: string;
  was: Says | null;
  theirs: Says | null;
  mine: Says | null;
}

/** Cells of `role` that somebody else changed since I did, to something else. */
export function collisions(role: RoleLike, edits: Edits): Collision[] {
  return [...(edits.get(role.id) ?? [])].flatMap(([permission, { was, to }]) => {
    const theirs = saying(role.statements, permission);
    return theirs === was || theirs === to ? [] : [{ permission, was, theirs, mine: to }];
  });
}

/** A collision decided: mine goes on top of what is there now, or theirs stays. */
export function decided(edits: Edits, role: RoleLike, permission: string, keepMine: boolean): Edits {
  const cells = new Map(edits.get(role.id));
  const edit = cells.get(permission);
  if (!edit) return edits;
  if (keepMine) cells.set(permission, { ...edit, was: saying(role.statements, permission) });
  else cells.delete(permission);
  return withRole(edits, role.id, cells);
}

/** All that the role would say. */
export function statementsWith(role: RoleLike, edits: Edits): Statement[] {
  const cells = edits.get(role.id);
  if (!cells) return role.statements;
  const kept = role.statements.filter((statement) => !cells.has(statement.permission));
  const said = [...cells].flatMap(([permission, { to }]) => (to === null ? [] : [statementOf(permission, to)]));
  return [...kept, ...said].sort((a, b) => (a.permission < b.permission ? -1 : 1));
}

/** The roles as they would be. */
export const rolesWith = <T extends RoleLike>(roles: readonly T[], edits: Edits): T[] => roles.map((role) => (edits.has(role.id) ? { ...role, statements: statementsWith(role, edits) } : role));

export const countOf = (edits: Edits): number => [...edits.values()].reduce((sum, cells) => sum + cells.size, 0);

export interface Difference {
  permission: string;
  before: Says | null;
  after: Says | null;
}

/** What is said differently, by permission. */
export function differences(before: readonly Statement[], after: readonly Statement[]): Difference[] {
  const names = new Set([...before, ...after].map((statement) => statement.permission));
  return [...names]
    .sort()
    .map((permission) => ({ permission, before: saying(before, permission), after: saying(after, permission) }))
    .filter((one) => one.before !== one.after);
}
