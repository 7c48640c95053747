//! The outside: asking others over HTTP, mail and SMS, with limits on everything. Who is asked is the operator's setting,
//! never a user's.

pub mod mail;
pub mod sms;

pub mod address;

use crate::kernel::error::{Error, Result};
use bytes::{Bytes, BytesMut};
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Until a connection stands, and until the whole answer is there.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Answers that send us elsewhere are followed so often.
const REDIRECTS: usize = 3;

/// Whom this installation can reach. Cheap to clone; clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Sends mail; `None`: nobody does.
    pub mail: Option<mail::Mailer>,
    /// Sends SMS; `None`: nobody does.
    pub sms: Option<sms::Texter>,
    console: Arc<OnceLock<String>>,
}

impl Outside {
    /// Says where people find the console, without a slash at the end: the first to say so is believed. Never from a
    /// request: links that go out must not lead where whoever asked wants them to.
    pub fn console_is_at(&self, url: impl Into<String>) {
        let _ = self.console.set(url.into());
    }

    /// Where people find the console; empty while nobody said so.
    pub fn console(&self) -> &str {
        self.console.get().map_or("", String::as_str)
    }
}

/// Why a provider did not take a message. Shown to operators, so nothing personal stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Trying again may help.
    Later {
        /// A sentence.
        why: String,
        /// How long the provider wants to be left alone.
        after: Option<Duration>,
    },
    /// Trying again would not help.
    Never(String),
}

impl Refusal {
    /// Trying again may help, after the usual pause.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }
}

/// The client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: reqwest::Client,
}

impl Outbound {
    /// A client that believes the certificates this machine believes, and no plain http after https.
    ///
    /// # Errors
    /// This machine has no usable certificates.
    pub fn new() -> Result<Self> {
        Self::with(Policy::custom(|attempt| {
            let left_https = attempt.previous().iter().any(|url| url.scheme() == "https");
            if attempt.previous().len() > REDIRECTS || (left_https && attempt.url().scheme() != "https") {
                attempt.stop()
            } else {
                attempt.follow()
            }
        }))
    }

    /// A client that goes where it is sent and nowhere else: no answer sends it on.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn straight() -> Result<Self> {
        Self::with(Policy::none())
    }

    fn with(redirects: Policy) -> Result<Self> {
        // fails where it was installed already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirects)
            .user_agent(concat!("signalbox/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::internal)?;
        Ok(Self { client })
    }

    /// What `url` answers to GET: a body of at most `most` bytes with a status of 200.
    ///
    /// # Errors
    /// Unavailable: nobody answers in time, or something else.
    pub async fn get(&self, url: &str, most: usize) -> Result<Bytes> {
        answered(self.client.get(url), most).await
    }

    /// What `url` answers to GET by whoever holds `token`: a body of at most `most` bytes with a status of 200.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn get_as(&self, url: &str, token: &str, most: usize) -> Result<Bytes> {
        answered(self.client.get(url).bearer_auth(token), most).await
    }

    /// What `url` answers to POST of a form, whatever its status, by whoever is named with a secret: status, and a body of at
    /// most `most` bytes. Name and secret are encoded as RFC 6749 §2.3.1 asks.
    ///
    /// # Errors
    /// As [`Outbound::get`], but for the status.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        by: Option<(&str, &SecretString)>,
        most: usize,
    ) -> Result<(u16, Bytes)> {
        let encoded = |text: &str| address::form(&[(text, "")]).trim_end_matches('=').to_owned();
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if let Some((name, secret)) = by {
            request = request.basic_auth(encoded(name), Some(encoded(secret.expose_secret())));
        }
        let answer = request.body(address::form(form)).send().await;
        let answer = answer.map_err(|error| Error::unavailable("outside", error))?;
        let status = answer.status().as_u16();
        Ok((status, body(answer, most).await?))
    }

    /// What `url` answers to POST of `json`: a body of at most `most` bytes with a status of 200.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn post(&self, url: &str, json: Vec<u8>, most: usize) -> Result<Bytes> {
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        answered(request.body(json), most).await
    }
}

async fn answered(request: RequestBuilder, most: usize) -> Result<Bytes> {
    let gone = |error| Error::unavailable("outside", error);
    let answer = request.send().await.map_err(gone)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(Error::unavailable(
            "outside",
            format!("answered {}", answer.status()),
        ));
    }
    body(answer, most).await
}

async fn body(mut answer: reqwest::Response, most: usize) -> Result<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| Error::unavailable("outside", error))?
    {
        if body.len() + chunk.len() > most {
            return Err(Error::unavailable(
                "outside",
                format!("answered with more than {most} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
pub(crate) mod tests;
