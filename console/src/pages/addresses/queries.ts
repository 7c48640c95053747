import { queryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { IpRule, IpRules } from "../../api/types";

export const rulesQuery = queryOptions({
  queryKey: ["ip_rules"],
  queryFn: ({ signal }): Promise<IpRules> => must(api.GET("/api/v1/ip_rules", { signal })),
  staleTime: 0,
});

export async function allow(cidr: string, note: string, role: string | undefined): Promise<IpRule> {
  return must(api.POST("/api/v1/ip_rules", { params: { header: once() } as never, body: { cidr, note, ...(role && { role }) } as never }));
}

export async function takeAway({ id }: Pick<IpRule, "id">): Promise<void> {
  await must(api.DELETE("/api/v1/ip_rules/{id}", { params: { path: { id } } }));
}
