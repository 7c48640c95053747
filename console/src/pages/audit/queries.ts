import { api, must } from "../../api/client";
import type { Audit } from "../../api/types";
import type { ListPage } from "../../live/apply";
import type { Filters } from "../../live/kinds";

/** Rows a page of the list asks for. */
const PAGE = 100;

export function fetchAudit(filters: Filters) {
  return (cursor: string | null, signal: AbortSignal) =>
    must(api.GET("/api/v1/audit", { params: { query: { ...filters, limit: PAGE, ...(cursor && { cursor }) } as never }, signal })) as Promise<ListPage<Audit>>;
}
