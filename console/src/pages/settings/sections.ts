/** The parts of "Settings". Each is a file of its own, loaded when it is opened: a new part is a line here. */
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import type { TextId } from "../../i18n";

export interface Section {
  /** As `?section=` in the address. */
  id: string;
  label: TextId;
  /** From the top down. */
  order: number;
  component: LazyExoticComponent<ComponentType>;
  /** Beside `settings:read`, without which the page is absent. */
  permission?: string;
}

const SECTIONS: Section[] = [
  { id: "organization", label: "settings.section.organization", order: 10, component: lazy(() => import("./General")) },
  { id: "people", label: "settings.section.people", order: 20, component: lazy(() => import("./Joining")) },
  { id: "sessions", label: "settings.section.sessions", order: 30, component: lazy(() => import("./SessionLife")) },
  { id: "outbox", label: "settings.section.outbox", order: 90, component: lazy(() => import("./DevelopmentOutbox")) },
];

export const sectionsFor = (permissions: readonly string[]): Section[] => SECTIONS.filter(({ permission }) => !permission || permissions.includes(permission)).sort((a, b) => a.order - b.order);
