//! Where something is held on a person, table by table: what is handed out, and what an erasure does to it.

/// How the rows of a table are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By the column `id`, a UUID.
    Id,
    /// By `at`, then `id`.
    Time,
    /// There are few: all at once, [`MOST_AT_ONCE`] at most.
    Whole,
}

/// Rows of a table that is read at once.
pub(super) const MOST_AT_ONCE: i64 = 10_000;

/// What an erasure does to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Erase {
    /// Deletes them.
    Delete,
    /// Sets these columns.
    Clear(&'static str),
    /// Leaves them, for this reason.
    Keep(&'static str),
    /// Is done apart: the person's own row.
    Apart,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub table: &'static str,
    /// Columns that may hold the person's id.
    pub by: &'static [&'static str],
    pub order: Order,
    /// Columns that are secrets, or others' business.
    pub hide: &'static [&'static str],
    pub erase: Erase,
}

const SEALED: &str = "append-only evidence; what is personal in it is sealed, and the seal is destroyed";
const AN_ID: &str = "holds no more of the person than an id";

const fn held(table: &'static str, by: &'static [&'static str], order: Order, erase: Erase) -> Held {
    Held {
        table,
        by,
        order,
        hide: &[],
        erase,
    }
}

/// In the order in which they are handed out.
pub(super) const HELD: &[Held] = &[
    Held {
        hide: &["password_hash", "seal_salt", "search"],
        ..held("users", &["id"], Order::Whole, Erase::Apart)
    },
    held("profiles", &["user_id"], Order::Whole, Erase::Delete),
    held("privacy_settings", &["user_id"], Order::Whole, Erase::Delete),
    held("wallet_links", &["user_id"], Order::Whole, Erase::Delete),
    Held {
        hide: &["token_hash"],
        ..held("invitations", &["user_id"], Order::Id, Erase::Delete)
    },
    Held {
        hide: &["old_hash", "new_hash"],
        ..held("email_changes", &["user_id"], Order::Whole, Erase::Delete)
    },
    Held {
        hide: &["token_hash"],
        ..held("password_resets", &["user_id"], Order::Whole, Erase::Delete)
    },
    Held {
        hide: &["fingerprint", "sealed", "public_key", "state"],
        ..held("user_factors", &["user_id"], Order::Id, Erase::Delete)
    },
    Held {
        hide: &["hash"],
        ..held("recovery_codes", &["user_id"], Order::Whole, Erase::Delete)
    },
    Held {
        hide: &["code"],
        ..held("factor_attempts", &["user_id"], Order::Whole, Erase::Delete)
    },
    Held {
        hide: &["hash", "client", "password"],
        ..held("sign_in_tickets", &["user_id"], Order::Whole, Erase::Delete)
    },
    held("provider_sign_ins", &["user_id"], Order::Id, Erase::Delete),
    held("linked_accounts", &["user_id"], Order::Id, Erase::Delete),
    held("memberships", &["user_id"], Order::Whole, Erase::Delete),
    held("user_roles", &["user_id"], Order::Whole, Erase::Delete),
    held(
        "held_roles",
        &["user_id"],
        Order::Whole,
        Erase::Keep("a view of all roles that somebody holds, by teams too; it goes with what it is made of"),
    ),
    held("user_permissions", &["user_id"], Order::Whole, Erase::Delete),
    held("team_members", &["user_id"], Order::Whole, Erase::Delete),
    held("user_sessions", &["user_id"], Order::Id, Erase::Delete),
    Held {
        hide: &["hash", "previous_hash"],
        ..held(
            "api_keys",
            &["owner_id"],
            Order::Id,
            Erase::Clear(
                "name = 'erased', hint = '', addresses = '{}', last_used_ip = NULL, previous_hash = NULL,
                 revoked_reason = 'Its owner was erased.'",
            ),
        )
    },
    held("saved_filters", &["owner_id"], Order::Id, Erase::Delete),
    held("saved_filter_defaults", &["user_id"], Order::Whole, Erase::Delete),
    Held {
        hide: &["payload", "checkpoint", "result", "errors"],
        ..held(
            "jobs",
            &["requested_by"],
            Order::Id,
            Erase::Clear(r#"ctx = ctx || '{"ip": null, "user_agent": null}'"#),
        )
    },
    held(
        "files",
        &["created_by"],
        Order::Id,
        Erase::Clear("name = 'erased'"),
    ),
    held("imports", &["created_by"], Order::Id, Erase::Keep(AN_ID)),
    Held {
        hide: &["reason"],
        ..held("user_bulks", &["created_by"], Order::Id, Erase::Keep(AN_ID))
    },
    held("user_bulk_people", &["user_id"], Order::Whole, Erase::Delete),
    held("personal_data_exports", &["user_id"], Order::Id, Erase::Delete),
    held("erasures", &["user_id"], Order::Id, Erase::Clear("reason = ''")),
    held(
        "audit_logs",
        &["actor_id", "subject_id", "on_behalf_of"],
        Order::Time,
        Erase::Keep(SEALED),
    ),
    held(
        "activity_logs",
        &["actor_id", "subject_id"],
        Order::Time,
        Erase::Keep(SEALED),
    ),
];

/// Columns that point at a person and are not handed out, each with the reason.
#[cfg(test)]
pub(super) const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "user_roles",
        "granted_by",
        "who gave somebody else a role stands in the audit log",
    ),
    ("user_permissions", "granted_by", "as above"),
    ("team_members", "added_by", "as above"),
    ("held_roles", "granted_by", "as above"),
    ("team_roles", "given_by", "as above"),
    ("ip_rules", "created_by", "as above"),
    ("invitations", "invited_by", "as above"),
    ("ip_rules", "subject_id", "a role, or the organization"),
    ("erasures", "requested_by", "as above"),
    ("erasures", "cancelled_by", "as above"),
    ("personal_data_exports", "requested_by", "as above"),
    ("user_sessions", "succeeded_by", "another session, not a person"),
    (
        "identity_providers",
        "vouched_by",
        "who trusted a provider stands in the audit log",
    ),
    (
        "users_touched",
        "user_id",
        "whose row memory must let go, for minutes; an id",
    ),
    (
        "auth_tickets",
        "user_id",
        "a way in that lives for seconds; it goes with its session",
    ),
    (
        "user_sessions",
        "impersonated_by",
        "somebody else's session; the operator's act stands in the audit log",
    ),
    (
        "import_rows",
        "user_id",
        "staged for minutes, under the id that somebody will have",
    ),
    (
        "outbox",
        "subject_id",
        "sealed, kept for hours; what it tells stands in audit and activity",
    ),
    (
        "jobs",
        "subject_id",
        "what a job is about stands in the job's own feature",
    ),
    (
        "idempotency",
        "actor_id",
        "kept for a day, so that a request can be repeated; deleted by an erasure",
    ),
];
