import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, must, once } from "../../api/client";
import type { Invitation } from "../../api/types";

export const invitationsQuery = infiniteQueryOptions({
  queryKey: ["invitations"],
  queryFn: ({ pageParam, signal }) => must(api.GET("/api/v1/invitations", { params: { query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  staleTime: 0,
});

export const invite = (body: { email: string; name: string; roles: string[] }, key: ReturnType<typeof once>): Promise<Invitation> => must(api.POST("/api/v1/invitations", { params: { header: key } as never, body }));

export const resend = (id: string): Promise<Invitation> => must(api.POST("/api/v1/invitations/{id}/resend", { params: { path: { id }, header: once() } as never, body: {} as never }));

export const withdraw = (id: string): Promise<Invitation> => must(api.POST("/api/v1/invitations/{id}/withdraw", { params: { path: { id }, header: once() } as never, body: {} as never }));
