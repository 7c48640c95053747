//! What a provider says about itself (OpenID Connect Discovery 1.0).

use crate::outbound::address;
use serde::Deserialize;

/// What of it matters here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    /// How clients prove themselves; absent: `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Absent: it does not say.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Whether its answers name it (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Where it stands for an issuer (§4).
pub(super) fn place(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

/// Reads it, or says what is wrong with it in words for whoever set the provider up.
pub(super) fn read(issuer: &str, document: &[u8]) -> Result<Metadata, String> {
    let metadata: Metadata = serde_json::from_slice(document)
        .map_err(|error| format!("Its configuration cannot be read: {error}."))?;
    if metadata.issuer != issuer {
        let said: String = metadata.issuer.chars().take(200).collect();
        return Err(format!(
            "It calls itself {said}: the issuer must be written exactly so."
        ));
    }
    let endpoints = [
        Some(&metadata.authorization_endpoint),
        Some(&metadata.token_endpoint),
        Some(&metadata.jwks_uri),
        metadata.userinfo_endpoint.as_ref(),
    ];
    if !endpoints
        .into_iter()
        .flatten()
        .all(|url| address::may_be_asked(url))
    {
        return Err("It names an address that is not https.".to_owned());
    }
    let challenges = metadata.code_challenge_methods_supported.as_ref();
    if challenges.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return Err("It does not know PKCE by S256.".to_owned());
    }
    Ok(metadata)
}

impl Metadata {
    /// Whether clients send their secret in the form and cannot send it as Basic.
    pub fn takes_secret_in_form(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            !has("client_secret_basic") && has("client_secret_post")
        })
    }
}
