import { queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { Overview } from "../../api/types";
import { noteCounters } from "../../live/counters";
import { followChannel } from "../../live/store";

/** The counters of the hub, kept true by their channel: beside the pages' names and on the overview. */
export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: async ({ signal }): Promise<Overview> => {
    followChannel("feed:overview");
    const told = await must(api.GET("/api/v1/overview", { signal }));
    noteCounters(told.counters, Date.now());
    return told;
  },
});
