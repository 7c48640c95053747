//! What the hub says to people: every text in one place.

use super::Noted;
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

/// Something to be said. Tokens become links into the console, as fragments, which no server sees and no log holds.
#[derive(Clone, Debug)]
pub enum Message {
    /// Somebody is asked to come.
    Invitation {
        /// For `/invitation`.
        token: SecretString,
        /// Name of whoever asks.
        by: Option<String>,
        /// Days for which it is good.
        days: u32,
    },
    /// Somebody has forgotten their password.
    PasswordReset {
        /// For `/reset-password`.
        token: SecretString,
        /// Minutes for which it is good.
        minutes: u32,
    },
    /// A password was replaced by way of a mail.
    PasswordWasReset,
    /// A token of one of their sessions was used twice, so the session was ended.
    SessionDoubted,
    /// Somebody wants another address; this goes to the one they have.
    EmailChangeFrom {
        /// For `/confirm-email`.
        token: SecretString,
        /// The address that is wanted.
        new: String,
    },
    /// Somebody wants another address; this goes to the one they want.
    EmailChangeTo {
        /// For `/confirm-email`.
        token: SecretString,
    },
    /// Somebody wants to sign up.
    SignUp {
        /// For `/confirm-sign-up`.
        token: SecretString,
    },
    /// Somebody wants to sign up who is here already.
    SignUpKnown,
    /// Something happened to their account that they must hear of.
    Alert(Noted),
    /// A code to be typed.
    SmsCode {
        /// Digits.
        code: SecretString,
        /// Minutes for which it is good.
        minutes: u32,
    },
}

/// A finished text.
pub(super) struct Text {
    /// One line.
    pub subject: String,
    /// Of a mail.
    pub body: String,
    /// Of an SMS.
    pub short: String,
}

impl Message {
    /// How long it makes sense: what is not out by then is not sent any more.
    pub(super) fn lasts(&self) -> Duration {
        match self {
            Self::SmsCode { minutes, .. } | Self::PasswordReset { minutes, .. } => {
                Duration::minutes(i64::from(*minutes))
            }
            _ => Duration::DAY,
        }
    }

    /// Whoever waits for it in front of a screen comes first.
    pub(super) fn priority(&self) -> i16 {
        match self {
            Self::SmsCode { .. } => 20,
            Self::PasswordReset { .. } | Self::SignUp { .. } => 10,
            _ => 0,
        }
    }
}

fn doubted(organization: &str, console: &str) -> Vec<String> {
    vec![
        format!(
            "One of your sessions at {organization} was ended: a token of it was used twice, so somebody else may have held a copy."
        ),
        "Sign in again. If anything looks strange, end your other sessions and choose a new password."
            .to_owned(),
        format!("{console}/account?section=sessions"),
    ]
}

/// `message` in words, from `organization`, with links into the console at `console`.
pub(super) fn written(message: &Message, organization: &str, console: &str) -> Text {
    let link = |path: &str, token: &SecretString| format!("{console}{path}#{}", token.expose_secret());
    let at = |subject: &str| format!("{organization}: {subject}");
    let (subject, lines) = match message {
        Message::Invitation { token, by, days } => {
            let by = by.as_deref().unwrap_or("Somebody");
            let lines = vec![
                format!("{by} invites you to {organization}."),
                "Choose a password and come in:".to_owned(),
                link("/invitation", token),
                format!(
                    "The link is good for {} and works once. If you expect no invitation, ignore this mail.",
                    count(*days, "day")
                ),
            ];
            (at("You are invited"), lines)
        }
        Message::PasswordReset { token, minutes } => {
            let lines = vec![
                format!("Somebody, probably you, wants a new password for your account at {organization}."),
                "Choose it here:".to_owned(),
                link("/reset-password", token),
                format!(
                    "The link is good for {} and works once. If that was not you, ignore this mail: your password stays as it is.",
                    count(*minutes, "minute")
                ),
            ];
            (at("Choose a new password"), lines)
        }
        Message::SessionDoubted => (at("A session of yours was ended"), doubted(organization, console)),
        Message::PasswordWasReset => {
            let lines = vec![
                format!(
                    "The password of your account at {organization} was just replaced, by way of a link in a mail to this address. All your sessions have ended."
                ),
                "If that was not you, tell whoever runs the hub at once: somebody reads your mail."
                    .to_owned(),
            ];
            (at("Your password was replaced"), lines)
        }
        Message::EmailChangeFrom { token, new } => {
            let lines = vec![
                format!("Your account at {organization} is to have another address: {new}."),
                "Confirm it, or refuse it, here:".to_owned(),
                link("/confirm-email", token),
                "The new address must be confirmed as well. The link is good for 24 hours. If that was not you, refuse it, and choose a new password.".to_owned(),
            ];
            (at("Is this your new address?"), lines)
        }
        Message::EmailChangeTo { token } => {
            let lines = vec![
                format!("An account at {organization} is to have this address."),
                "Confirm it, or refuse it, here:".to_owned(),
                link("/confirm-email", token),
                "The address of before must confirm it as well. The link is good for 24 hours. If you know nothing of this, ignore this mail.".to_owned(),
            ];
            (at("Confirm this address"), lines)
        }
        Message::SignUp { token } => {
            let lines = vec![
                format!("Somebody, probably you, signs up at {organization} with this address."),
                "Confirm it here:".to_owned(),
                link("/confirm-sign-up", token),
                "The link is good for 24 hours and works once. If that was not you, ignore this mail."
                    .to_owned(),
            ];
            (at("Confirm your address"), lines)
        }
        Message::SignUpKnown => {
            let lines = vec![
                format!(
                    "Somebody, probably you, signs up at {organization} with this address, which has an account already."
                ),
                "Sign in with it, or choose a new password if you have forgotten it:".to_owned(),
                format!("{console}/forgot-password"),
                "If that was not you, ignore this mail: nothing has changed.".to_owned(),
            ];
            (at("You have an account already"), lines)
        }
        Message::Alert(noted) => {
            let (subject, lines) = noted.written(organization, console);
            (at(subject), lines)
        }
        Message::SmsCode { code, minutes } => {
            let said = format!(
                "{} is your code for {organization}, good for {}.",
                code.expose_secret(),
                count(*minutes, "minute")
            );
            (at("Your code"), vec![said])
        }
    };
    Text {
        subject,
        short: lines.join(" "),
        body: format!("{}\n", lines.join("\n\n")),
    }
}

fn count(n: u32, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}
