//! Passkeys (WebAuthn Level 3), by `webauthn_rp`: discoverable, and always with the owner's PIN, finger or face, so that each
//! is two factors in one and opens the hub alone.
//!
//! A ceremony is two requests, which may meet two nodes. What the hub must remember between them goes to the browser and back,
//! sealed: nothing is kept for those who begin and never end. An answer counts once all the same: a passkey takes only
//! answers to ceremonies that began after the last that it answered.
//!
//! Invariant: a passkey is bound to the name of the site where it was made, and answers for no other.

use super::proof::What;
use super::{Owner, events, store};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::UserId;
use crate::kernel::page::micros;
use crate::messages::Alert;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use time::Duration;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle16, Username,
};
use webauthn_rp::request::{AsciiDomain, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication16, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

/// How long somebody may take to find their key.
pub const PATIENCE: Duration = Duration::minutes(5);

const SHOWING: &[u8] = b"passkey ceremony: show";
const ADDING: &[u8] = b"passkey ceremony: add";

/// The site that the browser has open, as it says itself (`Origin`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name, without port.
    name: String,
    /// Scheme, name, and port where it is not the scheme's own.
    origin: String,
}

impl Site {
    /// Of an `Origin` that was checked to be the hub's own.
    ///
    /// # Errors
    /// `factor.passkey_needs_name` where the hub was opened by an address: browsers bind passkeys to names alone.
    pub fn of(origin: &str) -> Result<Self> {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) {
                name
            } else {
                host
            }
        });
        let good = !name.is_empty() && !name.contains(['[', '/', '@']) && name.parse::<IpAddr>().is_err();
        if !good {
            return Err(needs_name());
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            origin: origin.to_ascii_lowercase(),
        })
    }

    fn rp(&self) -> Result<RpId> {
        AsciiDomain::try_from(self.name.clone())
            .map(RpId::Domain)
            .map_err(|_| needs_name())
    }
}

/// The page was not opened by a name.
pub fn needs_name() -> Error {
    Error::new(
        Kind::Conflict,
        "factor.passkey_needs_name",
        "A passkey belongs to a name. Open the hub by its name (on this machine: localhost), not by an address.",
    )
}

/// A ceremony that has begun.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Ceremony {
    /// To be given back with the browser's answer, within 5 minutes.
    pub ceremony: String,
    /// For `navigator.credentials` (`PublicKeyCredentialRequestOptionsJSON` or `PublicKeyCredentialCreationOptionsJSON`).
    #[schema(value_type = Object)]
    pub options: Value,
}

/// What is remembered of it.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// Whose it is; `None` where the passkey is to say so.
    whose: Option<UserId>,
    site: String,
    /// Microseconds since 1970.
    at: i64,
    state: Vec<u8>,
}

/// A passkey that has answered.
pub(super) struct Shown {
    pub(super) owner: Owner,
    pub(super) used: What,
}

/// Begins a ceremony in which a passkey is shown: any of `owner`, or, without one, whichever the person chooses.
pub async fn begin_showing(store: &Store, site: &Site, owner: Option<Owner>) -> Result<Ceremony> {
    let allowed = match owner {
        Some(owner) => {
            let mut tx = store.db.primary(owner.organization).await?;
            store::credentials(&mut tx, owner, &site.name).await?
        }
        None => Vec::new(),
    };
    let rp = site.rp()?;
    let begun = DiscoverableCredentialRequestOptions::passkey(&rp).start_ceremony();
    let (server, client) = begun.map_err(internal)?;
    let mut options = serde_json::to_value(&client)?;
    let each = allowed
        .iter()
        .map(|(id, _)| json!({"type": "public-key", "id": URL_SAFE_NO_PAD.encode(id)}));
    options["allowCredentials"] = each.collect();
    let state = server.encode().map_err(internal)?;
    seal(
        store,
        SHOWING,
        site,
        owner.map(|owner| owner.user),
        state,
        options,
    )
}

/// Whose passkey has answered a ceremony that was begun for nobody in particular; `None` where the answer is not good.
pub async fn who(
    store: &Store,
    site: &Site,
    ceremony: &str,
    credential: &Value,
) -> Result<Option<(Owner, super::Used)>> {
    let shown = shown(store, site, ceremony, credential, None).await?;
    Ok(shown.map(|shown| {
        let used = super::Used {
            kind: super::FactorKind::Passkey,
            what: shown.used,
        };
        (shown.owner, used)
    }))
}

/// Checks a passkey's answer (WebAuthn §7.2); `None` where it is not good, for whatever reason.
pub(super) async fn shown(
    store: &Store,
    site: &Site,
    ceremony: &str,
    credential: &Value,
    owner: Option<Owner>,
) -> Result<Option<Shown>> {
    let Some(begun) = open(store, SHOWING, site, ceremony, owner.map(|owner| owner.user)) else {
        return Ok(None);
    };
    let Some(answer) = read_answer(credential, owner) else {
        return Ok(None);
    };
    let Some(passkey) = store::passkey(store, answer.raw_id().as_ref(), &site.name).await? else {
        return Ok(None);
    };
    if owner.is_some_and(|owner| owner != passkey.owner) {
        return Ok(None);
    }
    match verified(site, &begun, &answer, &passkey)? {
        Verified::Good(state) => Ok(Some(Shown {
            owner: passkey.owner,
            used: What::Factor(passkey.id, begun.at, Some(state)),
        })),
        Verified::Cloned => {
            tell_cloned(store, passkey.owner).await?;
            Ok(None)
        }
        Verified::Bad => Ok(None),
    }
}

enum Verified {
    /// With what its state is now.
    Good(Vec<u8>),
    /// Right, but its counter went back: there are two of it.
    Cloned,
    Bad,
}

fn verified(
    site: &Site,
    begun: &Begun,
    answer: &DiscoverableAuthentication16,
    passkey: &store::Passkey,
) -> Result<Verified> {
    let Ok(handle) = UserHandle16::decode(*passkey.owner.user.0.as_bytes());
    let fixed =
        StaticState::<CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>>::decode(&passkey.public_key)
            .map_err(internal)?;
    let moving: [u8; 7] = passkey.state.as_slice().try_into().map_err(internal)?;
    let moving = DynamicState::decode(moving).map_err(internal)?;
    let Ok(mut known) = AuthenticatedCredential::new(answer.raw_id(), &handle, fixed, moving) else {
        return Ok(Verified::Bad);
    };
    let server = DiscoverableAuthenticationServerState::decode(&begun.state).map_err(internal)?;
    let options = AuthenticationVerificationOptions::<String, String> {
        allowed_origins: std::slice::from_ref(&site.origin),
        error_on_unsolicited_extensions: false,
        ..Default::default()
    };
    Ok(match server.verify(&site.rp()?, answer, &mut known, &options) {
        Ok(_) => {
            let Ok(state) = known.dynamic_state().encode();
            Verified::Good(state.to_vec())
        }
        Err(AuthCeremonyErr::SignatureCounter) => Verified::Cloned,
        Err(_) => Verified::Bad,
    })
}

/// The answer as the library reads it. Some authenticators leave out whose key it is where they were asked for one of
/// certain keys; then it is whose the ceremony is, and the key is checked to be theirs.
fn read_answer(credential: &Value, owner: Option<Owner>) -> Option<DiscoverableAuthentication16> {
    let mut credential = credential.clone();
    let response = credential.get_mut("response")?.as_object_mut()?;
    if let Some(owner) = owner
        && response.get("userHandle").is_none_or(Value::is_null)
    {
        response.insert(
            "userHandle".to_owned(),
            json!(URL_SAFE_NO_PAD.encode(owner.user.0.as_bytes())),
        );
    }
    let bytes = serde_json::to_vec(&credential).ok()?;
    DiscoverableAuthentication16::from_json_relaxed(&bytes).ok()
}

/// Its person learns that their key has been copied.
async fn tell_cloned(store: &Store, owner: Owner) -> Result<()> {
    let mut change = Change::begin(store, &Ctx::system(owner.organization, "auth")).await?;
    let said = (
        "factor.cloned",
        "auth.factor",
        "A passkey of {subject} was shown whose counter went back: there may be a copy of it",
    );
    events::tell(&mut change, owner, said, Some(super::FactorKind::Passkey)).await?;
    events::warn(&mut change, owner, Alert::PasskeyCopied).await?;
    change.commit().await
}

/// A passkey that was made.
pub(super) struct Added {
    pub(super) credential: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    pub(super) state: Vec<u8>,
    pub(super) transports: u8,
    pub(super) site: String,
}

/// Begins a ceremony in which `owner`, known by `email` and `name`, makes a passkey.
pub(super) async fn begin_adding(
    store: &Store,
    site: &Site,
    owner: Owner,
    (email, name): (&str, &str),
) -> Result<Ceremony> {
    let mut tx = store.db.primary(owner.organization).await?;
    let mut there = Vec::new();
    for (id, transports) in store::credentials(&mut tx, owner, &site.name).await? {
        there.push(PublicKeyCredentialDescriptor {
            id: CredentialId::<Vec<u8>>::decode(id).map_err(internal)?,
            transports: AuthTransports::decode(transports).map_err(internal)?,
        });
    }
    let rp = site.rp()?;
    let Ok(handle) = UserHandle16::decode(*owner.user.0.as_bytes());
    let mut person = PublicKeyCredentialUserEntity::from(&handle);
    // names that the profile of RFC 8265 does not know are left out: they are for the person's eye alone
    if let Ok(email) = Username::try_from(email) {
        person.name = email;
    }
    person.display_name = Nickname::try_from(name).ok();
    let begun = PublicKeyCredentialCreationOptions::passkey(&rp, person, there).start_ceremony();
    let (server, client) = begun.map_err(internal)?;
    let options = serde_json::to_value(&client)?;
    let state = server.encode().map_err(internal)?;
    seal(store, ADDING, site, Some(owner.user), state, options)
}

/// Checks what the browser made (WebAuthn §7.1); `None` where it is not good, for whatever reason.
pub(super) fn added(
    store: &Store,
    site: &Site,
    owner: Owner,
    ceremony: &str,
    credential: &Value,
) -> Result<Option<Added>> {
    let Some(begun) = open(store, ADDING, site, ceremony, Some(owner.user)) else {
        return Ok(None);
    };
    let Ok(answer) = Registration::from_json_relaxed(&serde_json::to_vec(credential)?) else {
        return Ok(None);
    };
    let server = RegistrationServerState::<16>::decode(&begun.state).map_err(internal)?;
    let options = RegistrationVerificationOptions::<String, String> {
        allowed_origins: std::slice::from_ref(&site.origin),
        error_on_unsolicited_extensions: false,
        ..Default::default()
    };
    let Ok(made) = server.verify(&site.rp()?, &answer, &options) else {
        return Ok(None);
    };
    let (id, transports, _, fixed, moving, _) = made.into_parts();
    let (Ok(transports), Ok(public_key), Ok(state)) = (transports.encode(), fixed.encode(), moving.encode());
    Ok(Some(Added {
        credential: id.as_ref().to_vec(),
        public_key,
        state: state.to_vec(),
        transports,
        site: site.name.clone(),
    }))
}

fn seal(
    store: &Store,
    purpose: &[u8],
    site: &Site,
    whose: Option<UserId>,
    state: Vec<u8>,
    options: Value,
) -> Result<Ceremony> {
    let begun = Begun {
        whose,
        site: site.name.clone(),
        at: micros(store.clock.now()),
        state,
    };
    let sealed = store.sealer.seal_bytes(purpose, &serde_json::to_vec(&begun)?)?;
    Ok(Ceremony {
        ceremony: URL_SAFE_NO_PAD.encode(sealed),
        options,
    })
}

/// What was remembered, where it is of this purpose, person and site, and not too old.
fn open(store: &Store, purpose: &[u8], site: &Site, ceremony: &str, whose: Option<UserId>) -> Option<Begun> {
    let sealed = URL_SAFE_NO_PAD.decode(ceremony).ok()?;
    let begun: Begun = serde_json::from_slice(&store.sealer.open_bytes(purpose, &sealed)?).ok()?;
    let age = micros(store.clock.now()) - begun.at;
    let fresh = age <= PATIENCE.whole_microseconds() as i64;
    (fresh && begun.site == site.name && begun.whose == whose).then_some(begun)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("webauthn: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_site_has_a_name_and_an_address_is_none() {
        for (origin, name) in [
            ("https://Hub.example.com", "hub.example.com"),
            ("https://hub.example.com:8443", "hub.example.com"),
            ("http://localhost:8080", "localhost"),
        ] {
            assert_eq!(Site::of(origin).unwrap().name, name);
        }
        for origin in [
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://192.0.2.7",
            "null",
            "",
            "https://",
        ] {
            assert_eq!(
                Site::of(origin).unwrap_err().code,
                "factor.passkey_needs_name",
                "{origin}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_of_a_browser_makes_the_reader_panic(
            id in ".{0,20}", data in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}"
        ) {
            let data = URL_SAFE_NO_PAD.encode(data);
            for response in [
                json!({"clientDataJSON": data, "authenticatorData": data, "signature": data, "userHandle": data}),
                json!({"clientDataJSON": data, "attestationObject": data, "transports": [text]}),
                json!(text),
            ] {
                let credential = json!({"id": id, "rawId": id, "type": "public-key", "response": response});
                let _ = read_answer(&credential, None);
                let _ = Registration::from_json_relaxed(&serde_json::to_vec(&credential).unwrap());
            }
            let _ = Site::of(&text);
        }
    }
}
