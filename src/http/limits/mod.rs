//! How many requests somebody may make: one table of `<feature>.<verb>` entries ([`table`]), asked for each operation of the
//! API; how often signing in may fail ([`logins`]); and how fast commands are posted for streams ([`posts`]).
//!
//! | step | where | what |
//! |---|---|---|
//! | 1 | [`keep`], before anything else | the address; not asked of this machine's own, behind which everybody may stand |
//! | 2 | [`admit`], once it is known who asks | the person, or the API key |
//! | 3 | [`tell`], on the way out | `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), on what is let in too |
//!
//! governor counts on this node ([`buckets`]), Redis for all nodes together ([`shared`]); without Redis each node counts alone.
//! What costs much is let in less while the node is slow ([`pressure`]), and the policy then says the smaller number.
//!
//! Invariant: counting never holds a request up for longer than [`shared::WITHIN`], and what is kept is bounded.

mod buckets;
mod logins;
mod posts;
mod pressure;
mod shared;
mod table;

pub use logins::{Device, KeyLimit, LoginLimits, Trier};
pub use posts::Posts;
pub use table::complaints;

use super::operations::Operation;
use super::origin::Origin;
use super::{Problem, State};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};
use buckets::{Buckets, Id};
use pressure::Pressure;
use shared::Shared;
use signalbox_core::Store;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::sessions::standing::Standing;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use table::{Entry, Table, Whom};

/// All limits of the API, shared by all workers.
pub struct Limits {
    table: Table,
    buckets: Buckets,
    shared: Shared,
    pressure: Pressure,
}

/// What an answer tells of the limit that it was counted under.
#[derive(Clone, Debug)]
struct Told {
    policy: HeaderValue,
    limit: HeaderValue,
}

/// How one request stood to one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    /// How many may be made in `seconds`, as things are.
    most: u32,
    seconds: u64,
    left: u32,
    /// Seconds until all of them are free again.
    reset: u64,
    /// Seconds to wait; `None` for whoever is let in.
    wait: Option<u64>,
}

impl Limits {
    /// As the settings say, which have been checked.
    pub fn of(settings: &crate::config::Limits) -> Self {
        let table = Table::of(settings);
        Self {
            buckets: Buckets::of(&table),
            shared: Shared::default(),
            pressure: Pressure::default(),
            table,
        }
    }

    /// Notes how long an answer took, where that tells how busy the node is.
    pub fn took(&self, operation: &Operation, took: Duration) {
        if self.table.is_telling(&operation.id) {
            self.pressure.note(took);
        }
    }

    /// Counts a request of `operation` by whoever `whom` says `who` is. `None` where nothing limits it.
    async fn count(
        &self,
        store: &Store,
        operation: &str,
        whom: Whom,
        who: [u8; 16],
    ) -> Option<(&Entry, Count)> {
        let at = self.table.entry_of(operation)?;
        let entry = self.table.entry(at);
        let id = Id {
            entry: at as u16,
            whom,
            who,
        };
        let mut count = self.buckets.count(&id, self.pressure.level())?;
        if count.wait.is_none() {
            self.shared.count(store, &entry.name, &id, &mut count).await;
        } else {
            self.shared.refused(store, &id, &mut count);
        }
        Some((entry, count))
    }
}

impl Count {
    /// As headers, of the limit of this name.
    fn told(&self, name: impl Display) -> Option<Told> {
        let Self {
            most,
            seconds,
            left,
            reset,
            ..
        } = self;
        Some(Told {
            policy: HeaderValue::try_from(format!("\"{name}\";q={most};w={seconds}")).ok()?,
            limit: HeaderValue::try_from(format!("\"{name}\";r={left};t={reset}")).ok()?,
        })
    }

    fn refusal(&self) -> Option<Error> {
        let (wait, Self { most, seconds, .. }) = (self.wait?, self);
        let detail =
            format!("This may be asked {most} times in {seconds} s, and was. Wait {wait} s, then go on.");
        let mut error = Error::new(Kind::TooMany, "request.too_many", detail);
        error.retry_after = Some(wait);
        Some(error)
    }
}

/// Middleware: counts by address, before anybody looks at the rest.
pub async fn keep(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match by_address(request.request()).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        // with the error in it, so that it is told as any other
        Err(problem) => Ok(request.error_response(problem)),
    }
}

async fn by_address(request: &HttpRequest) -> Result<(), Problem> {
    let ip = Origin::noted(request)
        .filter(|origin| !origin.loopback())
        .and_then(|origin| origin.ip);
    let (Some(ip), Some(state)) = (ip, request.app_data::<web::Data<State>>()) else {
        return Ok(());
    };
    count(request, state, Whom::Address, of_address(ip)).await
}

/// Noted where whoever asks was counted: parts of a request that are read side by side ask again who that is.
struct Admitted;

/// Counts by person, or by API key, once that is known; and against the limit that a key has of its own.
pub(super) async fn admit(request: &HttpRequest, state: &State, standing: &Standing) -> Result<(), Problem> {
    if request.extensions_mut().insert(Admitted).is_some() {
        return Ok(());
    }
    by_asker(request, state, standing).await?;
    by_terms(request, state, standing).await
}

/// Counts against the limits that a key has of its own, over all and of the resource that is asked for. The one of which less is left is
/// told.
async fn by_terms(request: &HttpRequest, state: &State, standing: &Standing) -> Result<(), Problem> {
    let operation = request.extensions().get::<Arc<Operation>>().cloned();
    let resource = operation
        .as_ref()
        .and_then(|operation| operation.id.split('.').next());
    let all = state
        .key_pace
        .keep(&state.store, standing, resource.unwrap_or_default())
        .await;
    if let Some(paced) = all.iter().min_by_key(|paced| paced.left()) {
        let count = Count {
            most: paced.most,
            seconds: 60,
            left: paced.left(),
            reset: paced.reset,
            wait: None,
        };
        let name = paced
            .resource
            .as_ref()
            .map_or("key".to_owned(), |resource| format!("key:{resource}"));
        if let Some(told) = count.told(name) {
            request.extensions_mut().insert(told);
        }
    }
    for paced in all {
        paced.admit()?;
    }
    Ok(())
}

async fn by_asker(request: &HttpRequest, state: &State, standing: &Standing) -> Result<(), Problem> {
    let (whom, id) = match standing.credential {
        Credential::ApiKey(key) => (Whom::Key, key.0),
        _ => (Whom::User, standing.user.0),
    };
    count(request, state, whom, *id.as_bytes()).await
}

async fn count(request: &HttpRequest, state: &State, whom: Whom, id: [u8; 16]) -> Result<(), Problem> {
    let Some(operation) = request.extensions().get::<Arc<Operation>>().cloned() else {
        return Ok(());
    };
    let Some((entry, count)) = state.limits.count(&state.store, &operation.id, whom, id).await else {
        return Ok(());
    };
    if let Some(told) = count.told(format_args!("{}:{}", entry.name, whom.as_str())) {
        request.extensions_mut().insert(told);
    }
    match count.refusal() {
        None => Ok(()),
        Some(error) => {
            metrics::counter!("signalbox_limited_total", "operation" => operation.id.clone(), "by" => whom.as_str())
                .increment(1);
            Err(error.into())
        }
    }
}

/// What `request` was counted under, as headers that its answer has not got yet.
pub(super) fn tell(request: &HttpRequest, headers: &HeaderMap) -> Option<[(HeaderName, HeaderValue); 2]> {
    let policy = HeaderName::from_static("ratelimit-policy");
    if headers.contains_key(&policy) {
        return None;
    }
    let told = request.extensions().get::<Told>().cloned()?;
    Some([
        (policy, told.policy),
        (HeaderName::from_static("ratelimit"), told.limit),
    ])
}

/// Of IPv6 the network of one customer counts, since its addresses are free to whoever has it.
fn of_address(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => (u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes(),
    }
}
