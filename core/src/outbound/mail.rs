//! Mail out, over SMTP (RFC 5321), to the server that the operator names.
//!
//! Invariant: nothing that a person chose becomes a header: addresses are parsed, names and subjects are one line and
//! encoded (RFC 2047).
//! Invariant: what the server answers is not passed on but for its code: it likes to repeat the address.

use super::Refusal;
use crate::kernel::error::{Error, Result};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use time::OffsetDateTime;

/// Until the server has answered one command.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Until the server has taken the whole message.
const SENT_WITHIN: Duration = Duration::from_secs(60);

/// A mail to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// Becomes the Message-ID: whoever gets the same mail twice can tell.
    pub key: &'a str,
    /// Address.
    pub to: &'a str,
    /// Name of whoever has it; may be empty.
    pub name: &'a str,
    /// One line.
    pub subject: &'a str,
    /// Plain text.
    pub text: &'a str,
    /// When it was written.
    pub at: OffsetDateTime,
}

/// The client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Mailer {
    server: AsyncSmtpTransportBuilder,
    /// Made at the first mail: it keeps connections, and for that needs a runtime.
    transport: Arc<OnceLock<AsyncSmtpTransport<Tokio1Executor>>>,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailer")
    }
}

impl Mailer {
    /// To the server at `url` (`smtps://user:password@host`, `smtp://host`), as `from` (`Name <address>`). Over `smtp://`
    /// TLS is used where the server offers it, and demanded with `?tls=required`.
    ///
    /// # Errors
    /// `url` or `from` cannot be read; neither is repeated, as the first may hold a password.
    pub fn new(url: &str, from: &str) -> Result<Self> {
        // fails where it was installed already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unreadable = |_| {
            Error::internal(
                "`mail.url`: is no address of a mail server, such as smtps://user:password@mail.example.com",
            )
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(unreadable)?
            .timeout(Some(ANSWER_WITHIN));
        if let Some(host) = plain_host(url) {
            let tls = TlsParameters::new(host.to_owned()).map_err(unreadable)?;
            builder = builder.tls(Tls::Opportunistic(tls));
        }
        let unreadable =
            |_| Error::internal("`mail.from`: is no address, such as Signalbox <hub@example.com>");
        Ok(Self {
            server: builder,
            transport: Arc::default(),
            from: from.parse().map_err(unreadable)?,
        })
    }

    /// Hands `mail` to the server.
    ///
    /// # Errors
    /// [`Refusal`], without anything personal.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<(), Refusal> {
        let message = message(&self.from, mail)?;
        let transport = self.transport.get_or_init(|| self.server.clone().build());
        match tokio::time::timeout(SENT_WITHIN, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Refusal::later("The mail server did not answer in time.")),
        }
    }
}

/// The host of an `smtp://` address that says nothing of TLS, where it is another machine than this.
fn plain_host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("smtp://")
        .filter(|rest| !rest.contains("tls="))?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    };
    host.filter(|host| !matches!(*host, "localhost" | "127.0.0.1" | "::1"))
}

fn message(from: &Mailbox, mail: &Mail<'_>) -> Result<Message, Refusal> {
    let never = |_| Refusal::Never("The address cannot be written to.".to_owned());
    let address: Address = mail.to.parse().map_err(never)?;
    let name = one_line(mail.name);
    let id = format!("<{}@{}>", mail.key.replace(':', "."), from.email.domain());
    Message::builder()
        .message_id(Some(id))
        .date(mail.at.into())
        .from(from.clone())
        .to(Mailbox::new((!name.is_empty()).then_some(name), address))
        .subject(one_line(mail.subject))
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_PLAIN)
                .body(mail.text.to_owned()),
        )
        .map_err(|_| Refusal::Never("The mail cannot be written.".to_owned()))
}

/// `text` without what could end a header.
fn one_line(text: &str) -> String {
    let spaced = text.replace(
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
        " ",
    );
    spaced.trim().to_owned()
}

fn refusal(error: &lettre::transport::smtp::Error) -> Refusal {
    let code = error.status().map(|code| code.to_string());
    match code {
        Some(code) if error.is_permanent() => {
            Refusal::Never(format!("The mail server refused the mail with {code}."))
        }
        Some(code) => Refusal::later(format!("The mail server put the mail off with {code}.")),
        None if error.is_client() => Refusal::Never("The mail server cannot take this mail.".to_owned()),
        None => Refusal::later("The mail server cannot be reached, or does not speak SMTP."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: &str, subject: &str, to: &str) -> Option<Vec<String>> {
        let from: Mailbox = "Hub <hub@example.com>".parse().unwrap();
        let mail = Mail {
            key: "k:1",
            to,
            name,
            subject,
            text: "Hello.\r\nBcc: nobody@example.com\r\n",
            at: OffsetDateTime::UNIX_EPOCH,
        };
        let bytes = message(&from, &mail).ok()?.formatted();
        let text = String::from_utf8(bytes).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        // a line that begins with space goes on with the one before (RFC 5322 §2.2.3)
        let names = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap().to_owned());
        Some(names.collect())
    }

    const EXPECTED: [&str; 8] = [
        "Message-ID",
        "Date",
        "From",
        "To",
        "Subject",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    proptest! {
        #[test]
        fn no_name_and_no_subject_becomes_a_header(name in any::<String>(), subject in any::<String>(),
            end in prop::sample::select(vec!["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\0"])) {
            for (name, subject) in [
                (name.clone(), subject.clone()),
                (format!("{name}{end}Bcc: x@example.com"), format!("{subject}{end}Bcc: x@example.com")),
            ] {
                let found = headers(&name, &subject, "ada@example.com").unwrap();
                prop_assert_eq!(found, EXPECTED);
            }
        }

        #[test]
        fn an_address_is_one_address_or_none(to in any::<String>(), tail in "[\r\n,; ]{1,3}(Bcc: )?b@example\\.com") {
            for to in [to.clone(), format!("ada@example.com{tail}"), format!("{to}{tail}")] {
                if let Some(found) = headers("Ada", "Hello", &to) {
                    prop_assert_eq!(found, EXPECTED, "{:?}", to);
                }
            }
        }
    }

    #[test]
    fn the_key_is_the_message_id() {
        let from: Mailbox = "hub@example.com".parse().unwrap();
        let mail = Mail {
            key: "0190:send",
            to: "ada@example.com",
            name: "",
            subject: "Hello",
            text: "",
            at: OffsetDateTime::UNIX_EPOCH,
        };
        let text = String::from_utf8(message(&from, &mail).unwrap().formatted()).unwrap();
        assert!(text.contains("Message-ID: <0190.send@example.com>\r\n"), "{text}");
    }

    #[test]
    fn what_is_no_server_or_no_sender_is_refused_without_repeating_it() {
        for (url, from) in [
            ("http://canary@x", "a@example.com"),
            ("smtp://x", "canary"),
            ("", "a@example.com"),
        ] {
            let refused = Mailer::new(url, from).unwrap_err();
            assert!(!format!("{refused:?}").contains("canary"));
        }
        assert_eq!(
            plain_host("smtp://u:p@mail.example.com:25/x"),
            Some("mail.example.com")
        );
        assert_eq!(plain_host("smtp://[2001:db8::1]:25"), Some("2001:db8::1"));
        assert_eq!(plain_host("smtp://127.0.0.1:25"), None);
        assert_eq!(plain_host("smtp://x?tls=required"), None);
        assert_eq!(plain_host("smtps://x"), None);
    }
}
