//! Those who send messages for a hub, on this machine: a mail server that speaks SMTP (RFC 5321), and a provider of SMS that
//! speaks HTTP. What they were given is there to be looked at.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A mail that a server took.
#[derive(Clone, Debug)]
pub struct Received {
    /// Of the envelope.
    pub to: Vec<String>,
    /// Head and body, as they came.
    pub data: String,
}

impl Received {
    /// A header's value, its lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.data.split_once("\r\n\r\n")?;
        let unfolded = head.replace("\r\n ", " ");
        let start = format!("{}:", name.to_lowercase());
        let line = unfolded
            .split("\r\n")
            .find(|line| line.to_lowercase().starts_with(&start))?;
        Some(line[start.len()..].trim().to_owned())
    }

    /// The text, decoded.
    pub fn text(&self) -> String {
        let (_, body) = self.data.split_once("\r\n\r\n").unwrap_or_default();
        match self.header("content-transfer-encoding").as_deref() {
            Some("quoted-printable") => unquoted(body),
            Some("base64") => panic!("a plain text came as base64"),
            _ => body.to_owned(),
        }
    }

    /// The token of the one link in the text.
    pub fn token(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once('#').expect("there is a link");
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

/// Quoted-printable (RFC 2045 §6.7).
fn unquoted(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        if let (b'=', Some(byte)) = (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[derive(Default)]
struct Mails {
    taken: Vec<Received>,
    /// What the server says to a recipient, where it does not take them.
    refusal: Option<String>,
}

/// A mail server.
pub struct MailServer {
    /// `smtp://127.0.0.1:PORT`.
    pub url: String,
    mails: Arc<Mutex<Mails>>,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailServer")
    }
}

impl MailServer {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let mails = Arc::new(Mutex::new(Mails::default()));
        let kept = Arc::clone(&mails);
        let serving = tokio::spawn(async move {
            // dropped with the task, and with it whoever still talks
            let mut talks = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let mails = Arc::clone(&kept);
                talks.spawn(async move {
                    let _ = converse(socket, &mails).await;
                });
            }
        });
        Self { url, mails, serving }
    }

    /// From now on every recipient is answered with `line`, such as `550 no such user`; `None` takes them again.
    pub fn refuses(&self, line: Option<&str>) {
        self.mails.lock().refusal = line.map(str::to_owned);
    }

    /// What it has taken, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.mails.lock().taken.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(mut socket: TcpStream, mails: &Mutex<Mails>) -> std::io::Result<()> {
    let (read, mut write) = socket.split();
    let mut lines = BufReader::new(read);
    write.write_all(b"220 here ESMTP\r\n").await?;
    let (mut to, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line
            .split([' ', '\r', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-here\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n".to_owned(),
            "RCPT" => {
                let refusal = mails.lock().refusal.clone();
                if let Some(refusal) = refusal {
                    format!("{refusal}\r\n")
                } else {
                    let inside = line.split(['<', '>']).nth(1).unwrap_or_default();
                    to.push(inside.to_owned());
                    "250 ok\r\n".to_owned()
                }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let data = data(&mut lines).await?;
                let to = std::mem::take(&mut to);
                mails.lock().taken.push(Received { to, data });
                "250 taken\r\n".to_owned()
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "MAIL" | "RSET" | "NOOP" | "HELO" => {
                to.clear();
                "250 ok\r\n".to_owned()
            }
            _ => "502 what?\r\n".to_owned(),
        };
        write.write_all(answer.as_bytes()).await?;
    }
}

/// Lines until the lone dot, with doubled dots undone.
async fn data(lines: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

#[derive(Default)]
struct Asked {
    requests: Vec<String>,
    answer: String,
}

/// A provider of SMS.
pub struct SmsServer {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Asked>>,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for SmsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmsServer")
    }
}

impl SmsServer {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Asked::default()));
        let kept = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let asked = Arc::clone(&kept);
                talks.spawn(async move {
                    let _ = answer(socket, &asked).await;
                });
            }
        });
        let server = Self { url, asked, serving };
        server.answers("201 Created", "");
        server
    }

    /// Answers with `status` from now on, and with `headers`, each ended by CRLF.
    pub fn answers(&self, status: &str, headers: &str) {
        let answer =
            format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}");
        self.asked.lock().answer = answer;
    }

    /// Requests in full, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.asked.lock().requests.clone()
    }
}

impl Drop for SmsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut socket: TcpStream, asked: &Mutex<Asked>) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = socket.read(&mut part).await?;
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let head = head.to_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next());
            body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
        });
        if whole || read == 0 {
            let answer = {
                let mut asked = asked.lock();
                asked.requests.push(text);
                asked.answer.clone()
            };
            return socket.write_all(answer.as_bytes()).await;
        }
    }
}
