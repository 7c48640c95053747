/** Who may do something, on anything or on one row; each answer is a step from its reasons. */
import Button from "@mui/material/Button";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import { t } from "../../i18n";
import { Face } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import type { Row } from "../access/queries";
import { RowPicker } from "../access/RowPicker";
import { permissionsQuery } from "./queries";
import css from "./roles.module.css";
import { reachWords } from "./words";

export default function WhoCan() {
  const { permission = "" } = useSearch({ from: "/shell/roles" });
  const navigate = useNavigate({ from: "/roles" });
  const permissions = useQuery(permissionsQuery).data ?? [];
  const [row, setRow] = useState<Row | null>(null);
  const of = permissions.find((one) => one.name === permission);
  const choose = (name: string) => {
    setRow(null);
    void navigate({ search: (before) => ({ ...before, permission: name || undefined }), replace: true });
  };
  return (
    <div className={css.who}>
      <div className={css.question}>
        <Choice label={t("who.permission")} value={permission} onValue={choose} options={[{ value: "", label: t("access.choose") }, ...permissions.map(({ name }) => ({ value: name, label: name }))]} note={of?.description} />
        {of?.row_kind && <RowPicker key={permission} kind={of.row_kind} onRow={setRow} />}
      </div>
      {permission ? <Holders permission={permission} row={row} /> : <EmptyState icon="search" title={t("who.empty.title")} text={t("who.empty.text")} />}
    </div>
  );
}

const holdersQuery = (permission: string, row: Row | null) => ({
  queryKey: ["holders", permission, row],
  queryFn: ({ pageParam, signal }: { pageParam: string | null; signal: AbortSignal }) =>
    must(api.GET("/api/v1/permissions/holders", { params: { query: { permission, limit: 100, ...(row && { resource_kind: row.kind, resource_id: row.id }), ...(pageParam && { cursor: pageParam }) } }, signal })),
  initialPageParam: null as string | null,
  getNextPageParam: (page: { next_cursor?: string | null }) => page.next_cursor ?? null,
  staleTime: 0,
});

function Holders({ permission, row }: { permission: string; row: Row | null }) {
  const query = useInfiniteQuery(holdersQuery(permission, row));
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!query.data) return <Lines count={6} height={36} />;
  const holders = query.data.pages.flatMap((page) => page.items);
  return (
    <div className={css.holders}>
      <p className={parts.muted} role="status">{query.hasNextPage ? t("who.atLeast", { n: holders.length }) : t("who.all", { n: holders.length })}</p>
      {holders.length === 0 && !query.hasNextPage && <EmptyState icon="users" title={t("who.none.title")} text={t("who.none.text")} />}
      <ul className={css.members} data-testid="holders">
        {holders.map((holder) => (
          <li key={holder.user}>
            <Face name={holder.name} id={holder.user} />
            <span>
              <Link to="/users/$id" params={{ id: holder.user }} search={{ tab: "access" }}>{holder.name}</Link>
              <small>{reachWords(holder)}</small>
            </span>
          </li>
        ))}
      </ul>
      {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
    </div>
  );
}
