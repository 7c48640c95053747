/** The parts of "My account". Each is a file of its own, loaded when it is opened: a new part is a line here. */
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import type { Me } from "../../api/types";
import type { TextId } from "../../i18n";

export interface Section {
  /** As `?section=` in the address. */
  id: string;
  /** In `i18n/account.en.texts.json`. */
  label: TextId;
  /** From the top down. */
  order: number;
  component: LazyExoticComponent<ComponentType>;
  /** For whom it is there; without it for everybody. */
  show?: (me: Me) => boolean;
  /** Whether it is there while somebody else acts as the person: what is theirs alone is not. */
  acting?: boolean;
  /** Whether it is there while nothing but a new password is let through. */
  mustChange?: boolean;
}

const SECTIONS: Section[] = [
  { id: "profile", label: "account.section.profile", order: 10, component: lazy(() => import("./Profile")), acting: true },
  { id: "sign-in", label: "account.section.signIn", order: 20, component: lazy(() => import("./SignIn")), mustChange: true },
  { id: "linked", label: "account.section.linked", order: 40, component: lazy(() => import("./LinkedAccounts")) },
  { id: "keys", label: "account.section.keys", order: 50, component: lazy(() => import("./Keys")), show: (me) => me.permissions.includes("api_keys:read") },
  { id: "sessions", label: "account.section.sessions", order: 30, component: lazy(() => import("./Sessions")) },
  { id: "data", label: "account.section.data", order: 55, component: lazy(() => import("./YourData")) },
  { id: "preferences", label: "account.section.preferences", order: 60, component: lazy(() => import("./Preferences")), acting: true },
];

export function sectionsFor(me: Me): Section[] {
  return SECTIONS.filter((section) => (me.must_change_password ? section.mustChange : me.impersonation ? section.acting : (section.show?.(me) ?? true))).sort((a, b) => a.order - b.order);
}
