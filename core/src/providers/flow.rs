//! The authorization code flow with PKCE (OAuth 2.1; OpenID Connect Core 1.0 §3.1): leaving for a provider, coming back, and
//! what the code is worth.

use super::claims::{Claims, Told, at};
use super::directory::{Directory, unreachable_now};
use super::discovery::Metadata;
use super::envelope::{Envelope, Purpose};
use super::id_token::{self, Expected};
use super::input::purpose as sealed_for;
use super::jwt::{self, Wrong};
use super::model::{Provider, ProviderKind, redirect_uri};
use super::{check, store};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::ProviderId;
use crate::outbound::address;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

/// For a provider to say when somebody showed who they are (`auth_time`) it must be asked how long ago that may be (OpenID Connect
/// Core 1.0 §3.1.2.1); as long as this, in seconds, nobody is asked anew for.
const LONG_AGO: &str = "2592000";
/// Whoever is away for longer begins anew.
const AWAY_SECONDS: i64 = 600;
/// Answers of token and userinfo endpoints are short.
const LONGEST: usize = 65_536;

/// Where to send a browser, and what it keeps meanwhile.
#[derive(Debug)]
pub struct Started {
    /// The provider's own page.
    pub authorization_url: String,
    /// The value of the cookie; it is opened by the hub alone.
    pub cookie: String,
    /// How long it is good, in seconds.
    pub lasts: i64,
}

/// What the browser brought back (RFC 6749 §4.1.2, RFC 9207).
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = ProviderAnswer)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    /// As it was sent away with.
    pub state: String,
    /// What the provider gave it.
    pub code: Option<String>,
    /// Who the provider says it is.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// What somebody came back with.
#[derive(Debug)]
pub(super) struct Proof {
    pub provider: Provider,
    pub told: Told,
    /// The provider's own session.
    pub sid: Option<String>,
    /// Whether the ID token says that two factors were shown there.
    pub two_factors: bool,
    /// When they last showed the provider who they are, where the ID token says so.
    pub authenticated_at: Option<OffsetDateTime>,
    pub purpose: Purpose,
    pub next: Option<String>,
}

/// Somebody leaves for a provider; `again`: to show there who they are, however lately they did. `public_url` is the hub's own address
/// as configured: what a request says of it is not asked.
pub(super) async fn leave(
    directory: &Directory,
    id: ProviderId,
    public_url: Option<&str>,
    next: Option<&str>,
    purpose: Purpose,
    again: bool,
) -> Result<Started> {
    let public_url = public_url.ok_or_else(no_public_url)?;
    let next = check::next(next)?;
    let provider = usable(directory, id).await?;
    let metadata = directory.metadata(&provider).await?;
    let until = directory.store.clock.now().unix_timestamp() + AWAY_SECONDS;
    let envelope = Envelope::new(id, purpose, next, until)?;
    let (redirect_uri, scope, challenge) = (
        redirect_uri(public_url),
        provider.scopes.join(" "),
        envelope.challenge(),
    );
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", provider.client_id.as_deref().unwrap_or_default()),
        ("redirect_uri", &redirect_uri),
        ("scope", &scope),
        ("state", &envelope.state),
        ("nonce", &envelope.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("max_age", if again { "0" } else { LONG_AGO }),
    ];
    if again {
        // said twice, for those who heed but one
        query.push(("prompt", "login"));
    }
    let url = address::with_query(&metadata.authorization_endpoint, &query);
    Ok(Started {
        authorization_url: url.ok_or_else(|| Error::internal("an endpoint is no address"))?,
        cookie: envelope.seal(&directory.store.sealer)?,
        lasts: AWAY_SECONDS,
    })
}

/// Somebody comes back: what the provider says of them, once all of it is found good.
pub(super) async fn come_back(
    directory: &Directory,
    public_url: Option<&str>,
    cookie: Option<&str>,
    returned: &Returned,
) -> Result<Proof> {
    let public_url = public_url.ok_or_else(no_public_url)?;
    let now = directory.store.clock.now().unix_timestamp();
    let envelope = cookie.and_then(|cookie| Envelope::open(&directory.store.sealer, cookie, now));
    let envelope = envelope.ok_or_else(begin_anew)?;
    if !bool::from(envelope.state.as_bytes().ct_eq(returned.state.as_bytes())) {
        return Err(begin_anew());
    }
    let provider = usable(directory, envelope.provider).await?;
    let metadata = directory.metadata(&provider).await?;
    require_same_provider(&metadata, returned)?;
    if let Some(error) = &returned.error {
        return Err(declined(error));
    }
    let code = returned
        .code
        .as_deref()
        .filter(|code| (1..=4_000).contains(&code.len()));
    let code = code.ok_or_else(begin_anew)?;
    let tokens = exchange(directory, &provider, &metadata, public_url, &envelope, code).await?;
    let expected = Expected {
        issuer: &provider.issuer,
        client_id: provider.client_id.as_deref().unwrap_or_default(),
        nonce: &envelope.nonce,
        access_token: tokens.access_token.as_ref().map(ExposeSecret::expose_secret),
        now,
    };
    let keys = directory.keys(&metadata.jwks_uri);
    let signed = jwt::read(&tokens.id_token, &keys, &provider.algorithms, &["jwt"]).await;
    let checked = signed.and_then(|signed| id_token::check(&signed, &expected).map(|()| signed));
    let mut claims = checked.map_err(|wrong| failed(&provider, wrong))?.claims;
    let sid = jwt::text(&claims, "sid").map(str::to_owned);
    let two_factors = id_token::tells_two_factors(&claims);
    let authenticated_at = jwt::seconds(&claims, "auth_time")
        .map(|at| OffsetDateTime::from_unix_timestamp(at as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH));
    more(directory, &provider, &metadata, &tokens, &mut claims).await?;
    let told = Told::read(&provider, &claims);
    Ok(Proof {
        told: told.ok_or_else(|| failed(&provider, Wrong::Invalid("it does not say who it is of")))?,
        sid: sid.filter(|sid| (1..=255).contains(&sid.chars().count()) && jwt::is_plain(sid)),
        two_factors,
        authenticated_at,
        provider,
        purpose: envelope.purpose,
        next: envelope.next,
    })
}

/// A provider that people are sent to now.
pub(super) async fn usable(directory: &Directory, id: ProviderId) -> Result<Provider> {
    let mut tx = directory.store.db.snapshot().await?;
    let provider = store::find(&mut tx, id).await?;
    let provider = provider.filter(|provider| provider.enabled && provider.kind == ProviderKind::Oidc);
    provider.ok_or_else(|| Error::not_found("provider"))
}

/// Mix-up defence: the answer names who gave it, where it says that it does so (RFC 9207 §2.4).
fn require_same_provider(metadata: &Metadata, returned: &Returned) -> Result<()> {
    let good = match &returned.iss {
        Some(issuer) => *issuer == metadata.issuer,
        None => !metadata.authorization_response_iss_parameter_supported,
    };
    if good { Ok(()) } else { Err(begin_anew()) }
}

/// What a code is worth.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<SecretString>,
}

async fn exchange(
    directory: &Directory,
    provider: &Provider,
    metadata: &Metadata,
    public_url: &str,
    envelope: &Envelope,
    code: &str,
) -> Result<Tokens> {
    let client_id = provider.client_id.as_deref().unwrap_or_default();
    let secret = secret(directory, provider)?;
    let redirect_uri = redirect_uri(public_url);
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", &envelope.verifier),
    ];
    let in_form = metadata.takes_secret_in_form();
    if in_form || secret.is_none() {
        form.push(("client_id", client_id));
    }
    if let Some(secret) = secret.as_ref().filter(|_| in_form) {
        form.push(("client_secret", secret.expose_secret()));
    }
    let by = secret
        .as_ref()
        .filter(|_| !in_form)
        .map(|secret| (client_id, secret));
    let asked = directory
        .outbound
        .post_form(&metadata.token_endpoint, &form, by, LONGEST);
    let (status, body) = asked.await.map_err(|error| {
        tracing::warn!(provider = %provider.id, %error, "a provider's token endpoint cannot be reached");
        unreachable_now()
    })?;
    if status != 200 {
        // RFC 6749 §5.2: a word, such as invalid_client
        let word = serde_json::from_slice::<Claims>(&body).ok();
        let word = word
            .as_ref()
            .and_then(|said| jwt::text(said, "error"))
            .unwrap_or_default();
        let word: String = word.chars().filter(char::is_ascii_graphic).take(60).collect();
        tracing::warn!(provider = %provider.id, status, word, "a provider does not take a code");
        return Err(sign_in_failed());
    }
    serde_json::from_slice(&body).map_err(|_| failed(provider, Wrong::Invalid("there is none")))
}

fn secret(directory: &Directory, provider: &Provider) -> Result<Option<SecretString>> {
    let Some(sealed) = &provider.client_secret else {
        return Ok(None);
    };
    let opened = directory
        .store
        .sealer
        .open_bytes(&sealed_for(provider.id), sealed);
    let opened = opened.and_then(|plain| String::from_utf8(plain).ok());
    let opened = opened.ok_or_else(|| Error::internal("a client's secret cannot be opened"))?;
    Ok(Some(opened.into()))
}

/// Asks the provider for what the ID token does not say, and believes it only of the same subject (§5.3.2).
async fn more(
    directory: &Directory,
    provider: &Provider,
    metadata: &Metadata,
    tokens: &Tokens,
    claims: &mut Claims,
) -> Result<()> {
    let (Some(endpoint), Some(access)) = (&metadata.userinfo_endpoint, &tokens.access_token) else {
        return Ok(());
    };
    let names = &provider.claims;
    let mapped = provider.mappings.iter().map(|mapping| &mapping.claim);
    let mut wanted = [&names.email, &names.name].into_iter().chain(mapped);
    if wanted.all(|name| at(claims, name).is_some()) {
        return Ok(());
    }
    let asked = directory
        .outbound
        .get_as(endpoint, access.expose_secret(), LONGEST);
    let answer = asked.await.map_err(|error| {
        tracing::warn!(provider = %provider.id, %error, "a provider's userinfo endpoint cannot be reached");
        unreachable_now()
    })?;
    let said: Claims = serde_json::from_slice(&answer)
        .map_err(|_| failed(provider, Wrong::Invalid("userinfo cannot be read")))?;
    if said.get("sub") != claims.get("sub") {
        return Err(failed(provider, Wrong::Invalid("userinfo is of somebody else")));
    }
    for (name, value) in said {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}

/// Why, for the log; whoever signs in is told that it did not work.
pub(super) fn failed(provider: &Provider, wrong: Wrong) -> Error {
    match wrong {
        Wrong::Unavailable => unreachable_now(),
        Wrong::Invalid(why) => {
            tracing::warn!(provider = %provider.id, why, "a provider's token is refused");
            sign_in_failed()
        }
        Wrong::Expired => {
            tracing::warn!(provider = %provider.id, "a provider's token has expired");
            sign_in_failed()
        }
    }
}

fn sign_in_failed() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "providers.sign_in_failed",
        "The provider's answer is not good, so nobody is signed in. Try again; if it stays, tell whoever runs this hub.",
    )
}

fn begin_anew() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "providers.begin_anew",
        "This answer belongs to no sign-in that this browser began in the last ten minutes. Begin again at the sign-in page.",
    )
}

/// `access_denied` is somebody's choice; anything else is the provider's trouble.
fn declined(error: &str) -> Error {
    let detail = if error == "access_denied" {
        "The sign-in was declined at the provider."
    } else {
        "The provider could not sign you in. Try again, or sign in another way."
    };
    Error::new(Kind::Unauthenticated, "providers.declined", detail)
}

fn no_public_url() -> Error {
    Error::new(
        Kind::Conflict,
        "providers.public_url_needed",
        "Providers send people back to the hub's own address, which is not set: set server.public_url.",
    )
}
