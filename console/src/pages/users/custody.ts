/** What is held on a person: gathered, and erased. */
import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { paths } from "../../api/schema.gen";
import { queries } from "../../app/queries";

export type Erasure = paths["/api/v1/users/{id}/erasure"]["get"]["responses"][200]["content"]["application/json"];

const path = (id: string) => ({ path: { id } });

/** The erasure that waits or runs; null where none does. */
export const erasureQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "erasure", id],
    queryFn: async ({ signal }): Promise<Erasure | null> => {
      try {
        const found: Erasure | undefined = await must(api.GET("/api/v1/users/{id}/erasure", { params: path(id), signal }));
        return found?.state === "waiting" || found?.state === "running" ? found : null;
      } catch (error) {
        if (asProblem(error).status === 404) return null;
        throw error;
      }
    },
    staleTime: 0,
  });

const again = (id: string) => queries.invalidateQueries({ queryKey: ["users", "erasure", id] });

export const gather = (id: string) => must(api.POST("/api/v1/users/{id}/personal_data/export", { params: { ...path(id), header: once() } as never, body: {} as never }));
export const erase = (id: string, reason: string) => must(api.POST("/api/v1/users/{id}/erasure", { params: { ...path(id), header: once() } as never, body: { reason } })).finally(() => again(id));
export const keep = (id: string) => must(api.DELETE("/api/v1/users/{id}/erasure", { params: path(id) })).finally(() => again(id));
