import { queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { paths } from "../../api/schema.gen";
import { queries } from "../../app/queries";

export type View = paths["/api/v1/saved_filters"]["get"]["responses"][200]["content"]["application/json"]["items"][number];
export type NewView = paths["/api/v1/saved_filters"]["post"]["requestBody"]["content"]["application/json"];
export type AudienceKind = View["audience"]["kind"];

export const viewsQuery = (page: string) =>
  queryOptions({
    queryKey: ["saved_filters", page],
    queryFn: ({ signal }) => must(api.GET("/api/v1/saved_filters", { params: { query: { page } }, signal })),
  });

const again = () => queries.invalidateQueries({ queryKey: ["saved_filters"] });
const path = (view: View) => ({ params: { path: { id: view.id } } });

export const saveView = (body: NewView) => must(api.POST("/api/v1/saved_filters", { body })).finally(again);
export const deleteView = (view: View) => must(api.DELETE("/api/v1/saved_filters/{id}", path(view))).finally(again);
export const changeView = (view: View, query: string) => must(api.PATCH("/api/v1/saved_filters/{id}", { ...path(view), body: { query } })).finally(again);
export const chooseView = (view: View, on: boolean) => must(on ? api.PUT("/api/v1/saved_filters/{id}/default", path(view)) : api.DELETE("/api/v1/saved_filters/{id}/default", path(view))).finally(again);
