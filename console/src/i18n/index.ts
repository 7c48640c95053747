/**
 * Every text a person reads comes from a catalogue; the build compiles its ICU messages. Those of pages that few open stand in
 * one of their own and are added with the page.
 */
import { i18n, type Messages } from "@lingui/core";
import source from "./en.texts.json";
import type access from "./access.en.texts.json";
import type factors from "./factors.en.texts.json";
import type account from "./account.en.texts.json";
import type custody from "./custody.en.texts.json";
import type people from "./people.en.texts.json";
import type did from "./did.en.texts.json";
import type imports from "./imports.en.texts.json";
import type hub from "./hub.en.texts.json";
import type roles from "./roles.en.texts.json";
import type live from "./live.en.texts.json";
import type sessions from "./sessions.en.texts.json";
import type joining from "./joining.en.texts.json";
import type providers from "./providers.en.texts.json";

export type TextId = keyof typeof source | keyof typeof live | keyof typeof access | keyof typeof account | keyof typeof roles | keyof typeof people | keyof typeof imports | keyof typeof did | keyof typeof hub | keyof typeof joining | keyof typeof sessions | keyof typeof providers | keyof typeof factors | keyof typeof custody;

const known = new Set<string>();

export function addTexts(texts: Partial<Record<TextId, string>>): void {
  i18n.load("en", texts as unknown as Messages);
  for (const id of Object.keys(texts)) known.add(id);
}

addTexts(source);
i18n.activate("en");

export function t(id: TextId, values?: Record<string, unknown>): string {
  return i18n._(id, values);
}

/** A text whose id is made at run time, or `fallback` where the catalogue has none. */
export function tOr(id: string, fallback: string, values?: Record<string, unknown>): string {
  return known.has(id) ? i18n._(id, values) : fallback;
}

/** A role as a person reads it: the predefined ones have a name in the catalogue, others keep their own. */
export const roleName = (role: { name: string }): string => tOr(`role.${role.name}`, role.name);

const integer = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export const number = (value: number): string => integer.format(value);
export const shortNumber = (value: number): string => compact.format(value);

/** Bytes as a person says them, in powers of 1,000. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let n = value;
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}
