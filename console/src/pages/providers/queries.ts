import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { Provider, ProviderChange, ProviderList, NewProvider, Tested } from "../../api/types";

export const providersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: ({ signal }): Promise<ProviderList> => must(api.GET("/api/v1/providers", { signal })),
});

export const addProvider = (body: NewProvider): Promise<Provider> => must(api.POST("/api/v1/providers", { body, headers: once() }));

export const changeProvider = ({ id, version }: Provider, body: ProviderChange): Promise<Provider> =>
  must(api.PATCH("/api/v1/providers/{id}", { params: { path: { id }, header: { "If-Match": `"${version}"` } }, body }));

export async function deleteProvider({ id, version }: Provider): Promise<void> {
  await must(api.DELETE("/api/v1/providers/{id}", { params: { path: { id }, header: { "If-Match": `"${version}"` } } }));
}

export const testProvider = (id: string): Promise<Tested> => must(api.POST("/api/v1/providers/{id}/test", { params: { path: { id } } }));
