/** Times as they are written, in the time zone that whoever looks chose: that of the device, or another. */

const KEY = "signalbox.zone";

/** That of the device. */
export const DEVICE = "";

export const deviceZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** All that this browser knows, UTC first. */
export const zones = (): string[] => ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];

const writers = (zone: string) => {
  const timeZone = zone || undefined;
  return {
    zone,
    day: new Intl.DateTimeFormat(undefined, { timeZone, dateStyle: "medium" }),
    whole: new Intl.DateTimeFormat(undefined, { timeZone, dateStyle: "medium", timeStyle: "long" }),
    clock: new Intl.DateTimeFormat(undefined, { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false }),
  };
};

function kept() {
  try {
    return writers(localStorage.getItem(KEY) ?? DEVICE);
  } catch {
    // one that this browser does not know
    return writers(DEVICE);
  }
}

let writer = kept();

export const chosenZone = (): string => writer.zone;

export function chooseZone(zone: string): void {
  writer = writers(zone);
  if (zone === DEVICE) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, zone);
}

/** The day. */
export const dayOf = (at: string | number): string => writer.day.format(new Date(at));

/** Day, time and zone. */
export const wholeTime = (at: string | number): string => writer.whole.format(new Date(at));

/** The time of day to the millisecond. */
export const clockTime = (at: number): string => writer.clock.format(at);
