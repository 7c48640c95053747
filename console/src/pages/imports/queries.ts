import { queryOptions } from "@tanstack/react-query";
import { api, must, sendOnce } from "../../api/client";
import type { Import } from "../../api/types";
import type { ListPage } from "../../live/apply";

/** Rows a page of the list asks for. */
const PAGE = 50;

export function fetchImports(cursor: string | null, signal: AbortSignal): Promise<ListPage<Import>> {
  return must(api.GET("/api/v1/imports", { params: { query: { limit: PAGE, ...(cursor && { cursor }) } as never }, signal })) as Promise<ListPage<Import>>;
}

export const importQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "one", id],
    queryFn: ({ signal }): Promise<Import> => must(api.GET("/api/v1/imports/{id}", { params: { path: { id } }, signal })),
  });

export const previewQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "preview", id],
    queryFn: ({ signal }) => must(api.GET("/api/v1/imports/{id}/preview", { params: { path: { id } }, signal })),
  });

/** Lays the file with the hub without reading it into the table yet. */
export async function upload(file: File): Promise<string> {
  // The session may have run out while the person chose: a body of 500 MB is not to be sent twice.
  await must(api.GET("/api/v1/me"));
  const body = { file, kind: "users", mode: "preview" };
  const form = () => {
    const data = new FormData();
    data.append("kind", body.kind);
    data.append("mode", body.mode);
    data.append("file", body.file);
    return data;
  };
  const call = api.POST("/api/v1/imports", { body: body as unknown as { file: string; kind: string; mode: "preview" }, bodySerializer: form, fetch: sendOnce });
  const told = await must(call);
  return told.id;
}

export type Mapping = Record<string, string>;

export async function start(id: string, mode: "dry_run" | "commit", mapping?: Mapping): Promise<string> {
  const call = { params: { path: { id } }, body: mapping ? { mapping } : {} };
  const told = mode === "commit" ? await must(api.POST("/api/v1/imports/{id}/commit", call)) : await must(api.POST("/api/v1/imports/{id}/dry_run", call));
  return told.id;
}

export const rejectsUrl = (id: string): string => `/api/v1/imports/${encodeURIComponent(id)}/rejects`;
