/** A session as a row, wide and narrow. */
import { t } from "../../i18n";
import { Face, Pill, Time } from "../../parts/basics";
import type { Column } from "../../parts/DataTable";
import table from "../../parts/table.module.css";
import type { Session } from "./queries";
import { Sockets } from "./Sockets";
import { place, program } from "./words";

export const nameOf = (row: Session): string => `${row.user.name ?? row.user.id}, ${program(row)}`;

function Who({ row }: { row: Session }) {
  const name = row.user.name ?? t("sessions.nameless");
  return (
    <span className={table.two}>
      <Face name={name} id={row.user.id} />
      <div>
        <b>{name}</b>
        <small title={row.user_agent ?? undefined}>{program(row)}</small>
      </div>
    </span>
  );
}

const From = ({ row }: { row: Session }) => (
  <span className={table.two}>
    <div>
      <span>{row.ip ?? "–"}</span>
      <small>{place(row)}</small>
    </div>
  </span>
);

export const PhoneRow = (row: Session) => (
  <>
    <Who row={row} />
    <span className={table.aside}>
      <Sockets session={row} />
      <small><Time at={row.last_seen_at} /></small>
    </span>
  </>
);

let made: Column<Session>[] | undefined;

/** Made once, when the texts are there. */
export function columns(): Column<Session>[] {
  made ??= [
    { id: "user", header: t("field.user"), width: "minmax(0, 1.6fr)", cell: (row) => <Who row={row} /> },
    { id: "from", header: t("sessions.from"), width: "minmax(0, 1.2fr)", cell: (row) => <From row={row} /> },
    { id: "sockets", header: t("sessions.open"), width: "minmax(var(--col-state), 0.9fr)", cell: (row) => <Sockets session={row} /> },
    { id: "seen", header: t("sessions.seen"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (row) => (row.current ? <Pill tone="ok">{t("sessions.current")}</Pill> : <Time at={row.last_seen_at} />) },
    { id: "began", header: t("sessions.signedIn"), width: "minmax(var(--col-time), 0.7fr)", numeric: true, cell: (row) => <Time at={row.created_at} /> },
  ];
  return made;
}
