/** A row that is pointed at, and where it stood then. */
export interface Pointed {
  id: string;
  index: number;
}

/** Where it stands now; where it is gone, the place it had, so that the next key goes on from there. -1: nothing is pointed at. */
export function placeIn(rows: readonly { id: string }[], { id, index }: Pointed): number {
  if (index < 0 || rows[index]?.id === id) return index;
  const now = rows.findIndex((row) => row.id === id);
  return now >= 0 ? now : Math.min(index, rows.length - 1);
}
