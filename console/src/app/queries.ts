import { notifyManager, QueryClient } from "@tanstack/react-query";
import { asProblem } from "../api/problem";

// Live events are applied in an animation frame; telling React in the same one keeps it at one update per frame.
notifyManager.setScheduler(queueMicrotask);

/** Events keep the cache true, so nothing grows stale by age, focus or reconnection. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (count, error) => {
        const { status } = asProblem(error);
        return count < 2 && (status === 0 || status === 429 || status >= 500);
      },
    },
  },
});
