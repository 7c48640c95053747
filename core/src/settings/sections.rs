//! Sections of the settings that belong to no other part.

use super::Faults;
use crate::kernel::id::RoleId;
use serde::{Deserialize, Serialize};

/// Domains of one list at most.
const MOST_DOMAINS: usize = 100;
/// Days for which an invitation can be good at most.
const MOST_DAYS: u32 = 90;

/// How the organization is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = GeneralSettings)]
#[serde(default)]
pub struct General {
    /// Address at which people reach the console, for links in mail; null: `server.public_url` of the hub's configuration.
    #[schema(example = "https://hub.example.com")]
    pub public_address: Option<String>,
}

impl General {
    pub(super) fn check(&self, faults: &mut Faults) {
        let Some(address) = &self.public_address else {
            return;
        };
        // tokens in mail lead there: never in the clear through a network
        let host = address
            .strip_prefix("https://")
            .or_else(|| address.strip_prefix("http://").filter(|host| is_loopback(host)));
        let good = host.is_some_and(|host| {
            !host.is_empty()
                && address.len() <= 300
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
        });
        if !good {
            let detail = "Begin with https://, or http:// for this machine itself, and end with the host or its port, without a path.";
            faults.add("general.public_address", "not_an_address", detail);
        }
    }
}

/// Whether `host`, with or without a port, is the machine itself.
fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| {
        let port = host.strip_prefix(own);
        port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
    })
}

/// Whether people may sign themselves up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SignUpSettings)]
#[serde(default)]
pub struct SignUp {
    /// True: whoever has an address of `domains` may.
    pub open: bool,
    /// Domains of addresses that are let in, small letters; empty: all.
    #[schema(example = json!(["example.com"]))]
    pub domains: Vec<String>,
    /// The role that newcomers get; null: none.
    pub role: Option<RoleId>,
}

impl SignUp {
    /// Whether somebody with the address `email` may sign up. A domain counts whole: `a.example.com` is another.
    pub fn admits(&self, email: &str) -> bool {
        let domain = email.rsplit('@').next().unwrap_or_default();
        self.open && (self.domains.is_empty() || self.domains.iter().any(|known| known == domain))
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        if self.domains.len() > MOST_DOMAINS {
            faults.add(
                "sign_up.domains",
                "too_many",
                format!("At most {MOST_DOMAINS} domains."),
            );
        }
        for (at, domain) in self.domains.iter().enumerate() {
            let good = domain.len() <= 253
                && domain.contains('.')
                && domain.split('.').all(|label| {
                    !label.is_empty()
                        && label
                            .chars()
                            .all(|c| c == '-' || (c.is_alphanumeric() && !c.is_uppercase()))
                });
            if !good {
                let detail = "Write a domain in small letters, such as example.com.";
                faults.add(format!("sign_up.domains.{at}"), "not_a_domain", detail);
            }
        }
    }
}

/// How people are invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = InvitationSettings)]
#[serde(default)]
pub struct Invitations {
    /// Days for which an invitation is good, 1 to 90.
    pub days: u32,
}

impl Default for Invitations {
    fn default() -> Self {
        Self { days: 7 }
    }
}

impl Invitations {
    pub(super) fn check(&self, faults: &mut Faults) {
        if !(1..=MOST_DAYS).contains(&self.days) {
            faults.add(
                "invitations.days",
                "out_of_range",
                format!("1 to {MOST_DAYS} days."),
            );
        }
    }
}
