/** A session's program and place, as a person reads them. */
import { t, tOr } from "../../i18n";
import type { Session } from "./queries";

/** "Firefox on Linux", as far as the program tells. */
export function program({ device }: Pick<Session, "device">): string {
  if (device.program && device.system) return t("sessions.program", { browser: device.program, system: device.system });
  return device.program ?? device.system ?? t("sessions.unknown");
}

/** "Berlin, Germany", or what kind of network the address is of; empty where nothing is known. */
export function place({ place }: Pick<Session, "place">): string {
  if (!place) return "";
  const named = [place.city, place.country_name ?? place.country].filter(Boolean).join(", ");
  return named || tOr(`sessions.network.${place.network}`, "");
}
