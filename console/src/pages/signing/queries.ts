import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { SigningKey } from "../../api/types";
import { askAgain } from "./due";

export const signingQuery = queryOptions({
  queryKey: ["signing_keys"],
  queryFn: async ({ signal }): Promise<SigningKey[]> => (await must(api.GET("/api/v1/signing-keys", { signal }))).items,
  staleTime: 0,
  refetchInterval: ({ state }) => askAgain(state.data ?? [], Date.now()),
});

export const rotate = (): Promise<SigningKey> => must(api.POST("/api/v1/signing-keys/rotate", { params: { header: once() } as never }));
