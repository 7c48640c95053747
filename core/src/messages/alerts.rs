//! What somebody must hear of their account by mail, whatever they like to hear: an alert that whoever stole the account could
//! switch off would be none.

use super::{Address, Message, mail};
use crate::change::Change;
use crate::kernel::error::Result;
use std::net::IpAddr;
use time::OffsetDateTime;
use time::macros::format_description;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// A second factor was set up, such as "a passkey".
    FactorAdded(&'static str),
    /// A second factor was removed.
    FactorRemoved(&'static str),
    /// Whoever may took all of them away.
    FactorsTaken,
    /// New recovery codes were made; the old are good no more.
    RecoveryCodesMade,
    /// A recovery code let somebody in; so many are left.
    RecoveryCodeUsed(i64),
    /// A passkey answered as its copy would.
    PasskeyCopied,
    /// Somebody signed in with a program or system from which nobody had, such as "Firefox on Linux".
    NewDevice(String),
    /// Somebody who may gave them another address; this goes to the one of before.
    AddressReplaced,
}

/// An alert with when it was, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    alert: Alert,
    at: OffsetDateTime,
    from: Option<IpAddr>,
}

/// Sends `alert` to whoever it is about, once `change` has committed, which did what it tells of. Nobody switches it off.
///
/// # Errors
/// As [`mail`].
pub async fn alert(change: &mut Change, to: &Address, alert: Alert) -> Result<()> {
    let noted = Noted {
        alert,
        at: change.at(),
        from: change.ctx().ip,
    };
    mail(change, to, Message::Alert(noted)).await
}

impl Noted {
    /// The subject, and the lines.
    pub(super) fn written(&self, organization: &str, console: &str) -> (&'static str, Vec<String>) {
        let (subject, said) = match &self.alert {
            Alert::FactorAdded(what) => (
                "A second factor was set up",
                format!("{what} was set up as a second factor of your account"),
            ),
            Alert::FactorRemoved(what) => (
                "A second factor was removed",
                format!("{what} is no second factor of your account any more"),
            ),
            Alert::FactorsTaken => (
                "Your second factors were taken away",
                "All second factors of your account were taken away by somebody who may do that".to_owned(),
            ),
            Alert::RecoveryCodesMade => (
                "New recovery codes were made",
                "New recovery codes of your account were made; the old ones are good no more".to_owned(),
            ),
            Alert::RecoveryCodeUsed(left) => (
                "A recovery code was used",
                format!("A recovery code of your account was used; {left} are left"),
            ),
            Alert::PasskeyCopied => (
                "A passkey of yours may have been copied",
                "A passkey of your account was shown as a copy of it would be, and was refused".to_owned(),
            ),
            Alert::NewDevice(device) => (
                "A sign-in with a new device",
                format!(
                    "Somebody signed in to your account with {device}, from which nobody had signed in before"
                ),
            ),
            Alert::AddressReplaced => (
                "Your address was replaced",
                "Your account was given another e-mail address by somebody who may do that".to_owned(),
            ),
        };
        let mut lines = vec![format!("{said} at {organization}{}.", self.when_and_where())];
        if self.alert == Alert::AddressReplaced {
            let what = "All your sessions have ended, and mail goes to the other address. If you did not expect that, tell whoever runs the hub at once.";
            lines.push(what.to_owned());
        } else {
            lines.extend([
                "If that was you, there is nothing to do. If not, end all your sessions, choose a new password, and look at your second factors:".to_owned(),
                format!("{console}/account?section=sessions"),
            ]);
        }
        (subject, lines)
    }

    fn when_and_where(&self) -> String {
        let shape = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
        let at = self.at.to_offset(time::UtcOffset::UTC).format(&shape);
        let at = at.map(|at| format!(", on {at}")).unwrap_or_default();
        let from = self.from.map(|from| format!(", from {}", from.to_canonical()));
        at + &from.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_says_what_where_and_when() {
        let noted = Noted {
            alert: Alert::NewDevice("Firefox on Linux".to_owned()),
            at: time::macros::datetime!(2026-01-02 03:04 +01:00),
            from: Some("::ffff:192.0.2.7".parse().unwrap()),
        };
        let (subject, lines) = noted.written("Acme", "https://hub.example");
        assert_eq!(subject, "A sign-in with a new device");
        assert!(
            lines[0].contains("with Firefox on Linux")
                && lines[0].ends_with("at Acme, on 2026-01-02 02:04 UTC, from 192.0.2.7."),
            "{lines:?}"
        );
        assert!(lines[2].starts_with("https://hub.example/account"));
    }
}
