//! What the rules of the matrix cannot know of an operation: each entry with its reason. Everything else follows from the
//! OpenAPI document.

use serde_json::{Value, json};

use super::spec::{Operation, Parameter};
use super::values::{kind_of, number};
use super::wire::Answer;
use super::world::PASSWORD;

/// Operations that need no permission, outside `/me` and `/auth`, and why.
pub const ONES_OWN: &[(&str, &str)] = &[
    (
        "find.query",
        "finds what the caller may see, and for whoever sees nothing, nothing",
    ),
    (
        "live.token",
        "opens live connections with the caller's own rights",
    ),
    ("saved_filters.list", "one's own views, and those shared with one"),
    ("saved_filters.create", "a view of one's own"),
    ("saved_filters.update", "the same"),
    ("saved_filters.delete", "the same"),
    ("saved_filters.set_default", "with which view one begins"),
    ("saved_filters.unset_default", "the same"),
    ("personal_data.list", "what one asked for oneself"),
    ("personal_data.download", "the same"),
];

/// Operations outside `/auth` that whoever asks is served by, without credentials, and why.
pub const OPEN: &[(&str, &str)] = &[
    ("invitations.accept", "whoever has the link of the invitation"),
    ("invitations.look", "the same"),
];

/// Operations that are not judged by the 403 of a permission, and where they are.
pub const ELSEWHERE: &[(&str, &str)] = &[("live.stream", "each channel has its own permission: `live`")];

/// What else than success whoever is let in may be answered: the code of the problem, and why.
const OTHERWISE: &[(&str, &str, &str)] = &[
    (
        "api_keys.rotate",
        "api_key.not_yours",
        "nobody but its owner is shown a key's secret",
    ),
    (
        "jobs.cancel",
        "job.finished",
        "the job of a small import has ended by then",
    ),
    ("users.unban", "user.not_banned", "nobody has banned them"),
    (
        "signing_keys.rotate",
        "signing_key.rotating",
        "one rotation after the other, a minute apart",
    ),
    (
        "me.unlink_wallet",
        "wallet.not_found",
        "the wallet that was made is somebody else's",
    ),
    (
        "me.unlink",
        "linked_account.not_found",
        "the account that was made is somebody else's",
    ),
    (
        "me.link_start",
        "providers.public_url_needed",
        "the hub of the tests does not know its own address",
    ),
    ("me.link_finish", "providers.public_url_needed", "the same"),
    (
        "providers.create",
        "request.invalid",
        "what is needed beside the name goes by the kind, which no schema says",
    ),
    (
        "me.begin_factor",
        "factor.passkey_needs_name",
        "the hub of the tests is opened by its address",
    ),
    ("me.ask_passkey", "factor.passkey_needs_name", "the same"),
    (
        "me.add_factor",
        "request.invalid",
        "nothing was begun that could be confirmed",
    ),
    ("me.add_factor", "factor.not_confirmed", "the same"),
    (
        "me.rename_factor",
        "factor.not_found",
        "the factor that was made is somebody else's",
    ),
    ("me.remove_factor", "factor.not_found", "the same"),
    (
        "me.recovery_codes",
        "factor.none",
        "who asks has no factor that they could stand for",
    ),
    ("me.send_code", "factor.not_found", "who asks has no phone"),
    (
        "me.prove",
        "auth.wrong_password",
        "a right one would give the session another id",
    ),
    ("me.prove", "auth.too_many_attempts", "and again, and again"),
    ("me.prove", "factor.refused", "of another kind than a password"),
    (
        "me.change_password",
        "request.invalid",
        "it is the present one, with which they go on signing in",
    ),
    (
        "users.bulk",
        "request.invalid",
        "of people and a filter exactly one is named, which no schema says",
    ),
    ("users.erase", "user.erasure_waiting", "it was asked for before"),
    (
        "users.cancel_erasure",
        "user.no_erasure_waiting",
        "nobody has asked for one",
    ),
    (
        "personal_data.download",
        "personal_data_export.not_found",
        "it is somebody else's",
    ),
    ("me.elevate", "impersonation.none", "who asks acts as themselves"),
    ("impersonation.end", "impersonation.none", "the same"),
    (
        "users.impersonate",
        "impersonation.not_above",
        "whoever holds nothing is above nobody",
    ),
    (
        "saved_filters.update",
        "saved_filter.not_found",
        "it is somebody else's",
    ),
    ("saved_filters.delete", "saved_filter.not_found", "the same"),
    ("saved_filters.set_default", "saved_filter.not_found", "the same"),
    (
        "saved_filters.unset_default",
        "saved_filter.not_found",
        "the same",
    ),
    ("me.prove", "request.invalid", "what is shown goes by its kind"),
    (
        "sessions.revoke_all",
        "permission.outranked",
        "some of those that it would sign out hold more",
    ),
];

/// Operations that answer alike, with success, for what is another organization's and for what never was; and why.
const ALIKE: &[(&str, &str)] = &[
    (
        "live.channel",
        "a channel is a name; one that nobody follows looks so, whoever's it is",
    ),
    ("live.history", "the same"),
    (
        "roles.history",
        "what was done outlives the role: of what never was there is nothing",
    ),
];

/// Parts of paths that are plain texts, and of what they are the name: operation (all where empty), parameter, kind.
const NAMED: &[(&str, &str, &str)] = &[
    ("explanations.get", "id", "refusal"),
    // the hub's own channels are published to by the hub alone
    ("live.publish", "channel", "application_channel"),
    ("", "channel", "channel"),
    ("", "client", "client"),
];

/// Operations that succeed though a row that they name is another organization's, and why that gives nothing of it away.
const SUCCEED: &[(&str, &str)] = &[
    (
        "roles.assign_many",
        "the answer tells of each person by itself what came of it",
    ),
    ("users.bulk", "the same"),
];

/// Operations that want a recent proof of whoever asks them as the matrix does. Others want one by what they do:
/// `tests/api/step_up.rs`.
pub const STEP_UP: &[&str] = &[
    "api_keys.create",
    "api_keys.rotate",
    "ip_rules.create",
    "ip_rules.delete",
    "me.add_factor",
    "me.begin_factor",
    "me.change_email",
    "me.change_password",
    "me.link_start",
    "me.recovery_codes",
    "me.remove_factor",
    "me.unlink",
    "personal_data.export",
    "personal_data.export_own",
    "providers.create",
    "providers.delete",
    "providers.update",
    "roles.create",
    "roles.delete",
    "roles.update",
    "roles.update_many",
    "signing_keys.rotate",
    "users.delete",
    "users.erase",
    "users.impersonate",
    "users.reset_factors",
    "users.reset_password",
];

/// What is every organization's: the channels of the operator's application.
pub const SHARED: &[&str] = &["application_channel"];

/// What an operation's part of the path is the id of.
pub fn kind(operation: &Operation, parameter: &Parameter) -> String {
    let reference = parameter.schema["$ref"]
        .as_str()
        .and_then(|way| way.rsplit('/').next());
    if let Some(kind) = reference.and_then(kind_of) {
        return kind;
    }
    let fits = |(id, name, _): &&(&str, &str, &str)| {
        (id.is_empty() || *id == operation.id) && *name == parameter.name
    };
    let named = NAMED.iter().find(fits);
    let (_, _, kind) = named.unwrap_or_else(|| {
        panic!(
            "{} {}: what is {{{}}} the id of? Give it a type whose schema is called <Kind>Id, or a line in NAMED in tests/api/matrix/special.rs",
            operation.method, operation.path, parameter.name
        )
    });
    (*kind).to_owned()
}

/// What a field of this name must hold, where its schema does not say it.
pub fn word(name: &str) -> Option<Value> {
    let n = number();
    Some(match name {
        "email" => json!(format!("made-{n}@example.com")),
        // never the network that the tests come from, which must stay allowed
        "cidr" => json!(format!("10.{}.{}.0/24", n / 256 % 256, n % 256)),
        "permission" => json!("users:read"),
        // what whoever may make keys holds
        "scopes" => json!(["api_keys:manage"]),
        "addresses" => json!([]),
        "address" => json!(format!("0x{n:040x}")),
        "time_zone" => json!("Africa/Johannesburg"),
        "locale" => json!("en-ZA"),
        "avatar_url" | "profile_image" => json!(format!("https://example.com/{n}.png")),
        "phone" => json!("+27 82 555 0100"),
        "requests_per_minute" => json!(100_000),
        "current_password" | "new_password" => json!(PASSWORD),
        // before anybody signed in, so that nobody is signed out
        "not_before" => json!("2020-01-01T00:00:00Z"),
        "idle_seconds" | "absolute_seconds" => json!(604_800),
        "q" => json!("Made"),
        "page" => json!("users"),
        "query" => json!("status=active"),
        "reason" => json!("because the test asks for it"),
        "channel" => json!("feed:users"),
        _ => return None,
    })
}

/// Whether this may be answered to whoever is let in.
pub fn may_be(operation: &Operation, answer: &Answer) -> bool {
    let code = answer.code();
    let mut listed = OTHERWISE.iter();
    (200..300).contains(&answer.status) || listed.any(|(id, known, _)| *id == operation.id && *known == code)
}

/// Whether success says nothing of whether it is there.
pub fn answers_alike(operation: &Operation) -> bool {
    ALIKE.iter().any(|(id, _)| *id == operation.id)
}

/// Whether it may do without a permission.
pub fn is_ones_own(operation: &Operation) -> bool {
    let by_path = ["/api/v1/me", "/api/v1/auth"]
        .iter()
        .any(|start| operation.path.starts_with(start));
    by_path || ONES_OWN.iter().any(|(id, _)| *id == operation.id)
}

/// Whether it succeeds though a row that it names is another organization's.
pub fn succeeds_all_the_same(operation: &Operation) -> bool {
    SUCCEED.iter().any(|(id, _)| *id == operation.id)
}

/// Whether whoever asks may be served by it.
pub fn is_open(operation: &Operation) -> bool {
    OPEN.iter().any(|(id, _)| *id == operation.id)
}

/// Whether it is judged elsewhere.
pub fn is_judged_elsewhere(operation: &Operation) -> bool {
    ELSEWHERE.iter().any(|(id, _)| *id == operation.id)
}

/// What in the tables speaks of an operation that there is not.
pub fn outdated(known: impl Fn(&str) -> bool) -> Vec<String> {
    let own = ONES_OWN
        .iter()
        .chain(OPEN)
        .chain(ALIKE)
        .chain(SUCCEED)
        .map(|(id, _)| *id)
        .chain(STEP_UP.iter().copied());
    let elsewhere = ELSEWHERE.iter().map(|(id, _)| *id);
    let otherwise = OTHERWISE.iter().map(|(id, ..)| *id);
    let named = NAMED.iter().map(|(id, ..)| *id).filter(|id| !id.is_empty());
    let all = own.chain(elsewhere).chain(otherwise).chain(named);
    all.filter(|id| !known(id))
        .map(|id| format!("tests/api/matrix/special.rs names {id}, which is no operation"))
        .collect()
}
