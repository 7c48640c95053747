/** Two editors of one person: what each changed, and where they collide. */
export const FIELDS = ["name", "email", "phone", "department", "profile_image", "employment_equity", "metadata"] as const;
export type FieldName = (typeof FIELDS)[number];
export type Draft = Record<FieldName, string>;

/** Fields that hold an object of the operator's own, edited as JSON. */
const OBJECTS: ReadonlySet<FieldName> = new Set(["employment_equity", "metadata"]);
export const isObject = (field: FieldName): boolean => OBJECTS.has(field);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An object as it is edited; an empty one is an empty field. */
function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) return "";
  return JSON.stringify(value, null, 2);
}

/** The field's text without what makes no difference: spaces around it, the way its JSON is laid out. */
function tidy(field: FieldName, text: string): string {
  const value = isObject(field) ? parsed(text) : undefined;
  return value === undefined ? text.trim() : textOf(value) || (isPlain(value) ? "" : text.trim());
}

const isPlain = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether the hub could take the field as it stands. */
export function isWritable(field: FieldName, text: string): boolean {
  return !isObject(field) || text.trim() === "" || isPlain(parsed(text));
}

export function draftOf(row: { [F in FieldName]?: unknown }): Draft {
  return Object.fromEntries(FIELDS.map((field) => [field, isObject(field) ? textOf(row[field]) : String(row[field] ?? "")])) as Draft;
}

/** A field's text as the hub takes it: an emptied field is null. */
export function valueOf(field: FieldName, text: string): unknown {
  const kept = tidy(field, text);
  if (kept === "") return null;
  return isObject(field) ? parsed(kept) : kept;
}

/** What of `mine` differs from `was`, as the hub takes it. */
export function changesIn(was: Draft, mine: Draft): Partial<Record<FieldName, unknown>> {
  const changed = FIELDS.filter((field) => tidy(field, mine[field]) !== was[field]);
  return Object.fromEntries(changed.map((field) => [field, valueOf(field, mine[field])]));
}

export interface Conflict {
  field: FieldName;
  was: string;
  theirs: string;
  mine: string;
}

/** Fields both changed, to different values. All others merge by themselves. */
export function conflictsIn(was: Draft, theirs: Draft, mine: Draft): Conflict[] {
  return FIELDS.filter((field) => tidy(field, mine[field]) !== was[field] && theirs[field] !== was[field] && theirs[field] !== tidy(field, mine[field])).map((field) => ({
    field,
    was: was[field],
    theirs: theirs[field],
    mine: tidy(field, mine[field]),
  }));
}

/** Their version with my changes on top; of what collides, mine only where it was chosen. */
export function merged(was: Draft, theirs: Draft, mine: Draft, keepMine: ReadonlySet<FieldName>): Draft {
  const collide = new Set(conflictsIn(was, theirs, mine).map((conflict) => conflict.field));
  const pick = (field: FieldName) => {
    if (tidy(field, mine[field]) === was[field]) return theirs[field];
    return collide.has(field) && !keepMine.has(field) ? theirs[field] : tidy(field, mine[field]);
  };
  return Object.fromEntries(FIELDS.map((field) => [field, pick(field)])) as Draft;
}
