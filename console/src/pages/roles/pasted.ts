/** Addresses and ids in a text as people paste it: from a mail ("Ada <ada@example.com>, ..."), a table's column, a list. */
const ADDRESS = /[^\s<>,;"'()]+@[^\s<>,;"'()]+/g;
const ID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;

/** Each once, whatever its case, in the order they stand. */
export function namesIn(text: string): string[] {
  const found = [...text.matchAll(ADDRESS), ...text.matchAll(ID)].sort((a, b) => a.index - b.index).map((match) => match[0].toLowerCase());
  return [...new Set(found)];
}
