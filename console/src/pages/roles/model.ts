/**
 * What roles give, by the rules of the hub's engine (docs/ACCESS.md): a role gives what it grants itself, or, where it says
 * nothing, what its parents give, added up; a denial on a role or on any ancestor of it binds it. Pure.
 */
import type { Permission, Role, Statement } from "../../api/types";

/** What a role or a person is told about a permission. */
export type Says = "everywhere" | "own" | "team" | "own_or_team" | "deny";
export type On = Exclude<Says, "deny">;

/** What is read of a role here. */
export type RoleLike = Pick<Role, "id" | "name" | "inherits" | "statements"> & { predefined?: boolean };

export const saysOf = (statement: Statement): Says => (statement.effect === "deny" ? "deny" : (statement.on ?? "everywhere"));

export const statementOf = (permission: string, says: Says): Statement => (says === "deny" ? { permission, effect: "deny", on: "everywhere" } : { permission, effect: "grant", on: says });

/** What `statements` say of one permission, or null. */
export function saying(statements: readonly Statement[], permission: string): Says | null {
  const found = statements.find((statement) => statement.permission === permission);
  return found ? saysOf(found) : null;
}

/** Both together. */
function added(a: On | null, b: On | null): On | null {
  if (!a || !b || a === b) return a ?? b;
  return a === "everywhere" || b === "everywhere" ? "everywhere" : "own_or_team";
}

export type State = "granted" | "denied" | "inherited" | "barred" | "none";

export interface Cell {
  state: State;
  /** What the role says itself. */
  says: Says | null;
  /** How far it gives the permission in the end; null: not at all. */
  gives: On | null;
  /** The ancestors from which that comes, or whose denial binds it. */
  from: string[];
}

export class RoleModel {
  private roles: Map<string, RoleLike>;
  private above = new Map<string, Set<string>>();

  constructor(roles: readonly RoleLike[]) {
    this.roles = new Map(roles.map((role) => [role.id, role]));
  }

  /** Every role that `id` inherits from, near or far, without itself. */
  ancestors(id: string): Set<string> {
    const known = this.above.get(id);
    if (known) return known;
    const found = new Set<string>();
    const waiting = [...(this.roles.get(id)?.inherits ?? [])];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (found.has(next) || !this.roles.has(next)) continue;
      found.add(next);
      waiting.push(...(this.roles.get(next)?.inherits ?? []));
    }
    this.above.set(id, found);
    return found;
  }

  /** Roles that would make a circle as a parent of `id`: itself and what inherits from it. */
  below(id: string): Set<string> {
    return new Set([id, ...[...this.roles.keys()].filter((other) => this.ancestors(other).has(id))]);
  }

  private own(id: string, permission: string): Says | null {
    return saying(this.roles.get(id)?.statements ?? [], permission);
  }

  /** What the role grants before denials, and who says so: itself, or the nearest ancestors that say anything. */
  private granted(id: string, permission: string, way: readonly string[] = []): { on: On | null; from: string[] } {
    if (way.includes(id)) return { on: null, from: [] };
    const says = this.own(id, permission);
    if (says !== null) return says === "deny" ? { on: null, from: [] } : { on: says, from: [id] };
    const parents = (this.roles.get(id)?.inherits ?? []).map((parent) => this.granted(parent, permission, [...way, id]));
    return { on: parents.reduce<On | null>((sum, parent) => added(sum, parent.on), null), from: [...new Set(parents.flatMap((parent) => parent.from))] };
  }

  cell(id: string, permission: string): Cell {
    const says = this.own(id, permission);
    if (says === "deny") return { state: "denied", says, gives: null, from: [] };
    const barring = [...this.ancestors(id)].filter((ancestor) => this.own(ancestor, permission) === "deny");
    if (barring.length > 0) return { state: "barred", says, gives: null, from: barring };
    const { on, from } = this.granted(id, permission);
    if (on === null) return { state: "none", says, gives: null, from: [] };
    return { state: says === null ? "inherited" : "granted", says, gives: on, from: says === null ? from : [] };
  }

  /** Permissions that the role gives, on anything at all. */
  gives(id: string): string[] {
    const named = [id, ...this.ancestors(id)].flatMap((role) => this.roles.get(role)?.statements.map((statement) => statement.permission) ?? []);
    return [...new Set(named)].filter((permission) => this.cell(id, permission).gives !== null).sort();
  }
}

/** Why nothing may be changed about a role, or null. */
export type Lock = { why: "manage" } | { why: "predefined" } | { why: "above"; permissions: string[] } | null;

/** `held`: what the viewer holds on everything. */
export function lockOf(role: RoleLike, model: RoleModel, held: ReadonlySet<string>): Lock {
  if (!held.has("roles:manage")) return { why: "manage" };
  if (role.predefined) return { why: "predefined" };
  const beyond = model.gives(role.id).filter((permission) => !held.has(permission));
  return beyond.length > 0 ? { why: "above", permissions: beyond } : null;
}

/** What can be said of a permission, and whether this viewer may say it: nobody gives what they do not hold, and lifting a denial gives. */
export function choicesFor(permission: Permission, cell: Pick<Cell, "says">, held: boolean): { says: Says | null; open: boolean }[] {
  const all: (Says | null)[] = ["everywhere", ...(permission.row_kind ? (["own", "team", "own_or_team"] as const) : []), "deny", null];
  const lifts = cell.says === "deny";
  return all.map((says) => ({ says, open: says === cell.says || says === "deny" || held || (says === null && !lifts) }));
}

/** Whether this viewer may give a role to somebody: it gives nothing that they do not hold. */
export function beyond(role: RoleLike, model: RoleModel, held: ReadonlySet<string>): string[] {
  return model.gives(role.id).filter((permission) => !held.has(permission));
}
