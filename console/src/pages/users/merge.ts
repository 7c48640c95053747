/** Two editors of one person: what each changed, and where they collide. */
export const FIELDS = ["name", "email", "phone", "department", "profile_image"] as const;
export type FieldName = (typeof FIELDS)[number];
export type Draft = Record<FieldName, string>;

export function draftOf(row: { [F in FieldName]?: string | null }): Draft {
  return Object.fromEntries(FIELDS.map((field) => [field, row[field] ?? ""])) as Draft;
}

/** What of `mine` differs from `was`, as the hub takes it: an emptied field is null. */
export function changesIn(was: Draft, mine: Draft): Partial<Record<FieldName, string | null>> {
  const changed = FIELDS.filter((field) => mine[field].trim() !== was[field]);
  return Object.fromEntries(changed.map((field) => [field, mine[field].trim() === "" ? null : mine[field].trim()]));
}

export interface Conflict {
  field: FieldName;
  was: string;
  theirs: string;
  mine: string;
}

/** Fields both changed, to different values. All others merge by themselves. */
export function conflictsIn(was: Draft, theirs: Draft, mine: Draft): Conflict[] {
  return FIELDS.filter((field) => mine[field].trim() !== was[field] && theirs[field] !== was[field] && theirs[field] !== mine[field].trim()).map((field) => ({
    field,
    was: was[field],
    theirs: theirs[field],
    mine: mine[field].trim(),
  }));
}

/** Their version with my changes on top; of what collides, mine only where it was chosen. */
export function merged(was: Draft, theirs: Draft, mine: Draft, keepMine: ReadonlySet<FieldName>): Draft {
  const collide = new Set(conflictsIn(was, theirs, mine).map((conflict) => conflict.field));
  const pick = (field: FieldName) => {
    if (mine[field].trim() === was[field]) return theirs[field];
    return collide.has(field) && !keepMine.has(field) ? theirs[field] : mine[field].trim();
  };
  return Object.fromEntries(FIELDS.map((field) => [field, pick(field)])) as Draft;
}
