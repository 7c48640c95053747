import { queryOptions } from "@tanstack/react-query";
import { api, must } from "../../api/client";
import type { Privacy, Profile } from "../../api/types";
import type { TextId } from "../../i18n";

export const profileQuery = queryOptions({
  queryKey: ["me", "profile"],
  queryFn: ({ signal }): Promise<Profile> => must(api.GET("/api/v1/me/profile", { signal })),
  staleTime: 0,
});

export const privacyQuery = queryOptions({
  queryKey: ["me", "privacy"],
  queryFn: ({ signal }): Promise<Privacy> => must(api.GET("/api/v1/me/privacy", { signal })),
  staleTime: 0,
});

export const emailQuery = queryOptions({
  queryKey: ["me", "email"],
  queryFn: ({ signal }) => must(api.GET("/api/v1/me/email", { signal })),
  staleTime: 0,
});

/** What somebody says of themselves, in the order of the form. */
export const FIELDS = ["display_name", "title", "bio", "time_zone", "locale", "avatar_url"] as const;
export type Field = (typeof FIELDS)[number];

export const LABELS: Record<Field | "wallets", TextId> = {
  display_name: "profile.display_name",
  title: "profile.title",
  bio: "profile.bio",
  time_zone: "profile.time_zone",
  locale: "profile.locale",
  avatar_url: "profile.avatar_url",
  wallets: "profile.wallets",
};

export const CHAINS = ["ethereum", "polygon", "arbitrum", "optimism", "base", "avalanche", "solana"] as const;
