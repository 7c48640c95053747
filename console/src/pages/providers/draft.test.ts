import { describe, expect, it } from "vitest";
import type { Provider } from "../../api/types";
import { begin, changed, made } from "./draft";

const provider = {
  id: "1", kind: "oidc", name: "Staff", issuer: "urn:issuer", client_id: "hub", has_client_secret: true, scopes: ["openid", "email"], jwks_url: null, audience: null,
  algorithms: ["RS256"], claims: { subject: "sub", email: "email", email_verified: "email_verified", name: "name" }, enabled: true, listed: true, provision: false,
  email_domains: [], link_by_email: false, second_factor: false, mappings: [], version: 3,
} as unknown as Provider;

describe("the form of a provider", () => {
  it("sends only what was changed, and no secret that was not typed", () => {
    expect(changed(begin(provider), provider)).toEqual({});
    expect(changed({ ...begin(provider), name: "Team", client_secret: "s" }, provider)).toEqual({ name: "Team", client_secret: "s" });
    expect(changed({ ...begin(provider), scopes: "openid  email, groups" }, provider)).toEqual({ scopes: ["openid", "email", "groups"] });
  });
  it("sends of each kind what is its own, and no half-filled mapping", () => {
    const oidc = made({ ...begin(null), name: "A", issuer: " urn:a ", client_id: "c", mappings: [{ claim: "groups", value: "", role: "r" }] });
    expect(oidc).toMatchObject({ kind: "oidc", issuer: "urn:a", client_id: "c", scopes: ["openid", "email", "profile"], mappings: [] });
    expect(oidc).not.toHaveProperty("jwks_url");
    const external = made({ ...begin(null), kind: "external_jwt", jwks_url: "urn:k", audience: "hub", second_factor: true });
    expect(external).toMatchObject({ jwks_url: "urn:k", audience: "hub", second_factor: true });
    for (const field of ["client_id", "scopes", "listed"]) expect(external).not.toHaveProperty(field);
  });
});
