/** A provider as it stands in the form, and what of that is sent. */
import type { NewProvider, Provider, ProviderChange } from "../../api/types";

export interface Mapping {
  claim: string;
  value: string;
  role: string;
}

/** Lists are texts here, separated by spaces. */
export interface Draft {
  kind: "oidc" | "external_jwt";
  name: string;
  issuer: string;
  client_id: string;
  client_secret: string;
  scopes: string;
  jwks_url: string;
  audience: string;
  algorithms: string;
  email_domains: string;
  enabled: boolean;
  listed: boolean;
  provision: boolean;
  link_by_email: boolean;
  second_factor: boolean;
  mappings: Mapping[];
  subject: string;
  email: string;
  verified: string;
  person: string;
}

export function begin(it: Provider | null): Draft {
  return {
    kind: it?.kind ?? "oidc",
    name: it?.name ?? "",
    issuer: it?.issuer ?? "",
    client_id: it?.client_id ?? "",
    client_secret: "",
    scopes: it?.scopes.join(" ") ?? "openid email profile",
    jwks_url: it?.jwks_url ?? "",
    audience: it?.audience ?? "",
    algorithms: it?.algorithms.join(" ") ?? "RS256 PS256 ES256 EdDSA",
    email_domains: it?.email_domains.join(" ") ?? "",
    enabled: it?.enabled ?? true,
    listed: it?.listed ?? true,
    provision: it?.provision ?? false,
    link_by_email: it?.link_by_email ?? false,
    second_factor: it?.second_factor ?? false,
    mappings: it?.mappings ?? [],
    subject: it?.claims.subject ?? "sub",
    email: it?.claims.email ?? "email",
    verified: it?.claims.email_verified ?? "email_verified",
    person: it?.claims.name ?? "name",
  };
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** What holds for both kinds. */
const shared = (draft: Draft) => ({
  name: draft.name,
  algorithms: words(draft.algorithms),
  email_domains: words(draft.email_domains),
  enabled: draft.enabled,
  provision: draft.provision,
  link_by_email: draft.link_by_email,
  second_factor: draft.second_factor,
  mappings: draft.mappings.filter((mapping) => mapping.claim && mapping.value && mapping.role),
  claims: { subject: draft.subject, email: draft.email, email_verified: draft.verified, name: draft.person },
});

const ofOidc = (draft: Draft) => ({ client_id: draft.client_id, scopes: words(draft.scopes), listed: draft.listed, ...(draft.client_secret && { client_secret: draft.client_secret }) });

export function made(draft: Draft): NewProvider {
  const base = { kind: draft.kind, issuer: draft.issuer.trim(), ...shared(draft) };
  return draft.kind === "oidc" ? { ...base, ...ofOidc(draft) } : { ...base, jwks_url: draft.jwks_url.trim(), audience: draft.audience };
}

/** Only what is another: whoever changes a name answers for nothing else. */
export function changed(draft: Draft, before: Provider): ProviderChange {
  const wanted: Record<string, unknown> = { ...shared(draft), ...(draft.kind === "oidc" && ofOidc(draft)) };
  const was = before as unknown as Record<string, unknown>;
  return Object.fromEntries(Object.entries(wanted).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(was[field])));
}
