/** The console's own line icons, drawn on a 24 by 24 grid. */
import css from "./parts.module.css";

const PATHS = {
  overview: "M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z",
  users: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.600 2.900-6 6.500-6s6.100 2.400 6.500 6M16 4.300a3.500 3.500 0 0 1 0 6.400M18 14.400c2 .8 3.200 2.800 3.500 5.600",
  imports: "M13 3H6v18h12V8zM13 3v5h5M12 18v-6M9.500 14.500 12 12l2.500 2.500",
  jobs: "M3.500 8h17v11h-17zM9 8V5h6v3M3.500 13h17",
  audit: "M4 12a8 8 0 1 0 2.700-6M4 4v4h4M12 8v4.500l3 2",
  system: "M3 12h4l2.500-6 5 12 2.500-6h4",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.500 20.500c.6-4 3.500-6 7.500-6s6.900 2 7.500 6",
  events: "M4 6h10M4 12h16M4 18h7M18 4.500v5M20.500 7h-5",
  connections: "M9 3v4M15 3v4M6.500 7h11v4a5.500 5.500 0 0 1-11 0zM12 16.500V21",
  channels: "M9.500 4 7.500 20M16.500 4l-2 16M4 9h16.500M3.500 15H20",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13ZM15.500 15.500 20 20",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500Z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  expand: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  download: "M12 4v11M7.500 11 12 15.500 16.500 11M5 20h14",
  upload: "M12 16V5M7.500 9 12 4.500 16.500 9M5 20h14",
  check: "M5 12.500l4.500 4.500L19 7.500",
  warn: "M12 4 2.500 20h19zM12 10v4.500M12 17.300h.01",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  columns: "M4 5h16v14H4zM9.500 5v14M15 5v14",
  refresh: "M20 12a8 8 0 1 1-2.300-5.700M20 3.500V8h-4.500",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l12 7-12 7z",
  ban: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM5.700 5.700l12.600 12.600",
  out: "M10 4H5v16h5M14 8l4.500 4L14 16M18 12H9",
  key: "M8 15.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 11.500h9M18 11.500v4",
  shield: "M12 3l7.500 3v5.500c0 4.500-3 8-7.500 9.500-4.500-1.500-7.500-5-7.500-9.500V6z",
  teams: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM16 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.500 19c.3-3 2.500-5 5.500-5s5.200 2 5.500 5M14 14.300c3.800-1 7 1.200 7.500 4.700",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  seal: "M12 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM9.500 13.500 8.500 21l3.500-2 3.500 2-1-7.500M10 9l1.500 1.500L14 8",
  trash: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  network: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3 12h18M12 3c2.500 2.600 3.800 5.600 3.800 9s-1.300 6.400-3.800 9c-2.500-2.600-3.800-5.600-3.800-9S9.500 5.600 12 3Z",
  mail: "M3.500 6h17v12h-17zM4 7l8 6 8-6",
  settings: "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h8M16 17h4M15 5v4M9 10v4M14 15v4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, small }: { name: IconName; small?: boolean }) {
  return (
    <svg className={small ? css.iconSmall : css.icon} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
