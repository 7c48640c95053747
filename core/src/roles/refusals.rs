//! Every refusal carries an id by which somebody who may look at roles learns why.
//!
//! Nothing is kept of a refusal: what was refused stands in its id, sealed with the installation's secret. So a flood of
//! refusals fills nothing, an id is good on every node and after a restart, and only what this hub refused can be opened.
//! The reasons are worked out when it is opened, from what is said then.

use super::explain::{self, Explanation, Question};
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::page;
use crate::kernel::permission::Missing;
use crate::kernel::seal::Sealer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

const PURPOSE: &[u8] = b"explanation of a refusal";

/// How long an id can be opened.
const OPENED_FOR: Duration = Duration::days(30);

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When, in microseconds since 1970.
    #[serde(rename = "a")]
    pub at: i64,
    /// In which organization; `None` where nobody was let in yet.
    #[serde(rename = "o")]
    pub organization: Option<OrganizationId>,
    /// To whom.
    #[serde(rename = "u")]
    pub user: Option<UserId>,
    /// The problem's code.
    #[serde(rename = "c")]
    pub code: String,
    /// Names the request in the hub's log.
    #[serde(rename = "t")]
    pub trace_id: String,
    /// True where it was asked through an API key whose scopes do not hold that permission.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub beyond_scopes: bool,
    /// What was lacking, where it was a permission.
    #[serde(rename = "m")]
    pub missing: Option<Missing>,
}

/// A refusal that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Opened {
    /// When it was.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The problem's code.
    #[schema(example = "permission.missing")]
    pub code: String,
    /// Names the request in the hub's log.
    pub trace_id: String,
    /// Who was refused; null where nobody was let in yet.
    pub user: Option<UserId>,
    /// True where they asked through an API key whose scopes do not hold the permission: the key may not, whatever `explanation` says
    /// of its owner.
    pub beyond_scopes: bool,
    /// Whether they may, and why, as things are now; null where it was not for want of a permission, and where the person or the row
    /// is there no more or is none that the reader may see.
    pub explanation: Option<Explanation>,
}

/// The id of a refusal.
pub fn id(sealer: &Sealer, refusal: &Refusal) -> Result<String> {
    let bytes = sealer.seal_bytes(PURPOSE, &serde_json::to_vec(refusal)?)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read(sealer: &Sealer, id: &str) -> Option<Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
    serde_json::from_slice(&sealer.open_bytes(PURPOSE, &bytes)?).ok()
}

/// What was refused, and why, for whoever may look at roles in the organization where it was. Anything else is no
/// explanation, and so is one of more than 30 days ago.
pub async fn open(store: &Store, ctx: &Ctx, id: &str) -> Result<Opened> {
    ctx.require("roles:read")?;
    let none = || Error::not_found("explanation");
    let refusal = read(&store.sealer, id).ok_or_else(none)?;
    let at = page::instant(refusal.at);
    let here = refusal
        .organization
        .is_none_or(|organization| organization == ctx.organization);
    if !here || at + OPENED_FOR < store.clock.now() {
        return Err(none());
    }
    let explanation = match (refusal.user, refusal.missing) {
        (Some(user), Some(missing)) => {
            let question = Question {
                user,
                permission: missing.permission,
                resource: missing.resource,
            };
            match explain::explain(store, ctx, &question).await {
                Ok(explanation) => Some(explanation),
                // the person or the row has gone since, or is none that the reader may see
                Err(error) if error.kind == Kind::NotFound => None,
                Err(error) => return Err(error),
            }
        }
        _ => None,
    };
    Ok(Opened {
        at,
        code: refusal.code,
        trace_id: refusal.trace_id,
        user: refusal.user,
        beyond_scopes: refusal.beyond_scopes,
        explanation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::permission::Resource;
    use proptest::prelude::*;

    #[test]
    fn an_id_says_what_was_refused_to_its_hub_and_to_nobody_else() {
        let (ours, others) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        let refusal = Refusal {
            at: 1_764_460_800_000_000,
            organization: Some(OrganizationId::new()),
            user: Some(UserId::new()),
            code: "permission.missing".to_owned(),
            trace_id: "0".repeat(32),
            beyond_scopes: true,
            missing: Some(Missing {
                permission: "users:ban".to_owned(),
                resource: Some(Resource {
                    kind: "user".to_owned(),
                    id: UserId::new().0,
                }),
            }),
        };
        let id = id(&ours, &refusal).unwrap();
        assert!(id.len() < 500, "{}", id.len());
        assert_eq!(read(&ours, &id), Some(refusal));
        assert_eq!(read(&others, &id), None);
        assert_eq!(read(&ours, &id[1..]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_no_id_of_ours_opens_nothing(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let sealer = Sealer::new(&[1; 32]);
            prop_assert_eq!(read(&sealer, &text), None);
            prop_assert_eq!(read(&sealer, &URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
