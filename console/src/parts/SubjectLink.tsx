/** What an entry or an event is about: one step away where it has a page, else its id to copy. */
import { Link, type LinkProps } from "@tanstack/react-router";
import { t, tOr } from "../i18n";
import { Id } from "./basics";

/** Where a thing of this kind is shown, or null where nowhere. */
export function pageOf(kind: string, id: string): LinkProps | null {
  switch (kind) {
    case "user":
      return { to: "/users/$id", params: { id } };
    case "role":
      return { to: "/roles/$id", params: { id } };
    case "job":
      return { to: "/jobs/$id", params: { id } };
    case "import":
      return { to: "/imports/$id", params: { id } };
    case "team":
      return { to: "/teams", search: { open: id } };
    case "api_key":
      return { to: "/keys", search: { open: id } };
    case "channel":
      return { to: "/channels", search: { open: id } };
    case "connection":
      return { to: "/connections", search: { open: id } };
    default:
      return null;
  }
}

export function SubjectLink({ kind, id, name }: { kind: string; id: string | null | undefined; name: string | null | undefined }) {
  const page = id ? pageOf(kind, id) : null;
  if (page) return <Link {...page}>{name ?? t("audit.of", { kind: tOr(`kind.${kind}`, kind) })}</Link>;
  if (name || !id) return <>{name ?? "–"}</>;
  return <Id value={id} />;
}
