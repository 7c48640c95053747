//! SMS out, in the form of Twilio's REST API, which others speak too.

use super::Refusal;
use crate::kernel::error::{Error, Result};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Until a connection stands, and until the whole answer is there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// No provider is asked again sooner, not even one that says 0.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// No provider has us wait longer.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Where SMS go out.
#[derive(Clone, Debug)]
pub struct Account {
    /// Such as `https://api.twilio.com`.
    pub url: String,
    /// Account SID.
    pub account: String,
    /// Auth token.
    pub token: SecretString,
    /// Number or name that it comes from.
    pub from: String,
}

/// The client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Texter {
    client: reqwest::Client,
    messages: Url,
    account: Account,
}

impl std::fmt::Debug for Texter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Texter")
    }
}

impl Texter {
    /// For `account`.
    ///
    /// # Errors
    /// Its address cannot be read, or this machine has no usable certificates.
    pub fn new(account: Account) -> Result<Self> {
        // fails where it was installed already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unreadable =
            || Error::internal("`sms.url`: is no address of a provider, such as https://api.twilio.com");
        let mut messages = Url::parse(&account.url).map_err(|_| unreadable())?;
        messages
            .path_segments_mut()
            .map_err(|()| unreadable())?
            .pop_if_empty()
            .extend([
                "2010-04-01",
                "Accounts",
                account.account.as_str(),
                "Messages.json",
            ]);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            // a credential goes where the operator said, and nowhere else
            .redirect(Policy::none())
            .user_agent(concat!("signalbox/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            client,
            messages,
            account,
        })
    }

    /// Sends `text` to the number `to` (E.164). `key` tells the provider that a second asking is the first again.
    ///
    /// # Errors
    /// [`Refusal`], without anything personal.
    pub async fn send(&self, key: &str, to: &str, text: &str) -> Result<(), Refusal> {
        let request = self
            .client
            .post(self.messages.clone())
            .basic_auth(&self.account.account, Some(self.account.token.expose_secret()))
            .header("idempotency-key", key)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(&[("To", to), ("From", &self.account.from), ("Body", text)]));
        let answer = request
            .send()
            .await
            .map_err(|_| Refusal::later("The SMS provider cannot be reached."))?;
        let (status, code) = (answer.status(), answer.status().as_u16());
        if status.is_success() {
            return Ok(());
        }
        let put_off = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || status.is_server_error();
        if !put_off {
            return Err(Refusal::Never(format!(
                "The SMS provider refused the message with {code}."
            )));
        }
        let pause = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        Err(Refusal::Later {
            why: format!("The SMS provider put the message off with {code}."),
            after: pause.and_then(seconds),
        })
    }
}

/// `application/x-www-form-urlencoded`, by the URL standard.
fn form(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    let text = url.as_ref().and_then(Url::query).unwrap_or_default();
    text.to_owned()
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); a date is not read, and the usual pause is made instead.
fn seconds(text: &str) -> Option<Duration> {
    let pause = Duration::from_secs(text.trim().parse().ok()?);
    Some(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_a_provider_says_of_waiting_is_read_or_left_alone(text in any::<String>()) {
            if let Some(pause) = seconds(&text) {
                prop_assert!((SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&pause));
            }
        }
    }

    #[test]
    fn a_form_keeps_apart_what_is_apart() {
        assert_eq!(
            form(&[("To", "+49 1&x=y"), ("Body", "ü\n")]),
            "To=%2B49+1%26x%3Dy&Body=%C3%BC%0A"
        );
    }
}
