import { useSyncExternalStore } from "react";

// The same width as in the stylesheets' media queries.
const query = matchMedia("(max-width: 820px)");

const subscribe = (listener: () => void) => {
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
};

export const usePhone = (): boolean => useSyncExternalStore(subscribe, () => query.matches);
