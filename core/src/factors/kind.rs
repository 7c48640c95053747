use serde::{Deserialize, Serialize};

/// What a factor is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
    /// A key in a device that knows its owner (WebAuthn).
    Passkey,
    /// Codes sent to a phone.
    Sms,
    /// Codes on paper, each good once.
    RecoveryCode,
}

impl FactorKind {
    /// As it stands in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Sms => "sms",
            Self::RecoveryCode => "recovery_code",
        }
    }

    /// For people, at the beginning of a sentence.
    pub fn said(self) -> &'static str {
        match self {
            Self::Totp => "An authenticator app",
            Self::Passkey => "A passkey",
            Self::Sms => "A phone",
            Self::RecoveryCode => "A recovery code",
        }
    }

    /// Name of the method of signing in with it (RFC 8176 §2 where there is one).
    pub fn method(self) -> &'static str {
        match self {
            Self::Totp => "otp",
            Self::Passkey => "hwk",
            Self::Sms => "sms",
            Self::RecoveryCode => "rc",
        }
    }

    /// From the database; `None` for what this node does not know.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Totp, Self::Passkey, Self::Sms, Self::RecoveryCode]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}
