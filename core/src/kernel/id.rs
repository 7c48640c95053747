//! Typed ids: a session's id cannot be passed where a person's is wanted. All are UUIDv7, made by the hub, so that
//! they sort by time.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new id that sorts after those made before it.
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    OrganizationId,
    /// A person.
    UserId,
    /// A set of permissions with a name.
    RoleId,
    /// People who work together.
    TeamId,
    /// One sign-in of a person.
    SessionId,
    /// A program's key.
    ApiKeyId,
    /// An invitation.
    InvitationId,
    /// A wallet that is linked to a person.
    WalletId,
    /// Through whom people sign in.
    ProviderId,
    /// Who somebody is at a provider.
    LinkedAccountId,
    /// An allowed network.
    IpRuleId,
    /// A second factor.
    FactorId,
    /// An entry of the audit log.
    AuditId,
    /// An entry of the activity log.
    ActivityId,
    /// An event.
    EventId,
    /// A background job.
    JobId,
    /// A stored file.
    FileId,
    /// One import run.
    ImportId,
    /// One act on many people.
    BulkId,
    /// An export of what is held on a person.
    ExportId,
    /// An erasure of a person.
    ErasureId,
    /// A view that somebody keeps.
    SavedFilterId,
    /// One start of one node.
    BootId,
}
