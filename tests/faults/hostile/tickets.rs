//! One-time tickets in the hands of a page of another site: with the cookies that a browser sends along, and with a ticket that
//! it was given or has stolen. Each is good once, for half a minute, for one kind of connection, and for the session that asked.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::relay::cluster::Cluster;
use super::hijack::ALL;
use crate::harness::{client, problem};
use signalbox::http::caller::ACCESS_COOKIE;

const PATIENCE: Duration = Duration::from_secs(30);

/// Ways to open a live connection: where, and with a ticket for what.
const DOORS: [(&str, &str); 7] = [
    ("/connection/websocket", "socket"),
    ("/connection/uni_websocket", "socket"),
    ("/connection/http_stream", "stream"),
    ("/connection/sse", "stream"),
    ("/connection/uni_sse", "stream"),
    ("/connection/uni_http_stream", "stream"),
    ("/api/v1/stream", "stream"),
];

/// What came of knocking.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// In, as whoever this is.
    In,
    /// The request itself was refused, with this code.
    Refused(String),
    /// A connection was opened and ended, since nobody was known behind it.
    Out,
}

/// Who knocks, beside the ticket.
#[derive(Clone, Copy, Default)]
struct Page<'a> {
    origin: Option<(&'a str, &'a str)>,
    cookie: Option<&'a str>,
}

impl Page<'_> {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let cookie = self
            .cookie
            .map(|token| ("cookie", format!("{ACCESS_COOKIE}={token}")));
        let origin = self.origin.map(|(name, value)| {
            let name = if name == "origin" {
                "origin"
            } else {
                "sec-fetch-site"
            };
            (name, value.to_owned())
        });
        origin.into_iter().chain(cookie).collect()
    }
}

/// Knocks at a door with `ticket` in the address, or without one.
async fn knock(url: &str, door: &str, ticket: Option<&str>, page: Page<'_>) -> Came {
    let connect = json!({"id": 1, "connect": {}}).to_string();
    let mut query: Vec<(&str, &str)> = ticket.iter().map(|ticket| ("ticket", *ticket)).collect();
    match door {
        "/connection/sse" => query.push(("cf_connect", &connect)),
        "/connection/uni_sse" | "/connection/uni_websocket" => query.push(("cf_connect", "{}")),
        "/api/v1/stream" => query.push(("channel", "feed:users")),
        _ => {}
    }
    let mut at = reqwest::Url::parse(&format!("{url}{door}")).unwrap();
    at.query_pairs_mut().extend_pairs(&query);
    if door.ends_with("websocket") {
        return by_socket(at.as_str(), &connect, page).await;
    }
    let (method, body) = match door {
        "/connection/http_stream" => (Method::POST, connect),
        "/connection/uni_http_stream" => (Method::POST, "{}".to_owned()),
        _ => (Method::GET, String::new()),
    };
    let mut request = client().request(method, at).body(body);
    for (name, value) in page.headers() {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    if answer.status() != 200 {
        return Came::Refused(problem(answer).await.1);
    }
    if door == "/api/v1/stream" {
        return Came::In;
    }
    by_stream(answer).await
}

async fn by_stream(answer: Response) -> Came {
    let mut body = answer.bytes_stream();
    let mut told = String::new();
    let reading = async {
        while let Some(Ok(piece)) = body.next().await {
            told += &String::from_utf8_lossy(&piece);
            if told.contains(r#""client":""#) {
                return Came::In;
            }
        }
        Came::Out
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("neither in nor out")
}

async fn by_socket(url: &str, connect: &str, page: Page<'_>) -> Came {
    let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
    for (name, value) in page.headers() {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let mut socket = match connect_async(request).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(refused)) => {
            let body: Value = serde_json::from_slice(refused.body().as_ref().unwrap()).unwrap();
            return Came::Refused(body["code"].as_str().unwrap().to_owned());
        }
        Err(error) => panic!("{error}"),
    };
    // one that only listens has said who it is in the address
    if !url.contains("cf_connect") {
        socket.send(Message::text(connect)).await.unwrap();
    }
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.to_text().unwrap_or_default().contains(r#""client":""#) {
                return Came::In;
            }
        }
        Came::Out
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("neither in nor out")
}

async fn ticket(cluster: &Cluster, token: &str, purpose: &str) -> String {
    let made = cluster
        .post(0, token, "/auth/tickets", json!({"purpose": purpose}))
        .await;
    made["ticket"].as_str().unwrap().to_owned()
}

fn is_out(came: &Came) -> bool {
    match came {
        Came::In => false,
        Came::Out => true,
        Came::Refused(code) => {
            ["auth.invalid_token", "auth.session_ended", "auth.required"].contains(&code.as_str())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_opens_nothing_with_a_ticket_and_the_cookies_that_go_along_and_spoils_neither()
{
    let cluster = Cluster::start_with(1, ALL).await;
    let url = cluster.nodes[0].url.clone();
    let (victim, other) = (cluster.sign_in().await, cluster.sign_in().await);
    for purpose in ["socket", "stream"] {
        let kept = ticket(&cluster, &other, purpose).await;
        // so that it is still good when all have knocked, on any machine
        let longer = "UPDATE auth_tickets SET expires_at = expires_at + interval '10 minutes'";
        cluster.test.sql(longer).await;
        let doors: Vec<&str> = DOORS
            .iter()
            .filter(|door| door.1 == purpose)
            .map(|door| door.0)
            .collect();
        for origin in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "https://app.example.com.evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            for door in &doors {
                for cookie in [None, Some(victim.as_str())] {
                    let page = Page {
                        origin: Some(origin),
                        cookie,
                    };
                    let came = knock(&url, door, Some(&kept), page).await;
                    assert_eq!(
                        came,
                        Came::Refused("live.foreign_origin".to_owned()),
                        "{door} {origin:?}"
                    );
                }
            }
        }
        // nothing was used up by whoever may not come
        let first = doors[0];
        assert_eq!(
            knock(&url, first, Some(&kept), Page::default()).await,
            Came::In,
            "{first}"
        );
        assert!(
            is_out(&knock(&url, first, Some(&kept), Page::default()).await),
            "{first}, again"
        );
    }
    // a page that may come is nobody by the cookies of the browser that it is in, and somebody by a ticket
    let origin = Some(("origin", "https://app.example.com"));
    for (door, purpose) in DOORS {
        let ambient = Page {
            origin,
            cookie: Some(&victim),
        };
        assert!(
            is_out(&knock(&url, door, None, ambient).await),
            "{door} by its cookie alone"
        );
        let given = ticket(&cluster, &other, purpose).await;
        assert_eq!(
            knock(&url, door, Some(&given), Page { origin, cookie: None }).await,
            Came::In,
            "{door}"
        );
        // what is used up is not made good by a cookie that is
        assert!(
            is_out(&knock(&url, door, Some(&given), ambient).await),
            "{door}, again"
        );
        let own = Page {
            origin: Some(("origin", &url)),
            cookie: Some(&victim),
        };
        assert!(
            is_out(&knock(&url, door, Some(&given), own).await),
            "{door}, from the hub's own page"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_once_for_half_a_minute_for_one_kind_and_with_its_session_at_every_door() {
    let cluster = Cluster::start_with(1, ALL).await;
    let url = cluster.nodes[0].url.clone();
    let token = cluster.sign_in().await;
    let nobody = Page::default();
    for (door, purpose) in DOORS {
        let good = ticket(&cluster, &token, purpose).await;
        assert_eq!(knock(&url, door, Some(&good), nobody).await, Came::In, "{door}");
        assert!(
            is_out(&knock(&url, door, Some(&good), nobody).await),
            "{door}: a second time"
        );
        let other = if purpose == "socket" { "stream" } else { "socket" };
        let wrong = ticket(&cluster, &token, other).await;
        assert!(
            is_out(&knock(&url, door, Some(&wrong), nobody).await),
            "{door}: for something else"
        );
        let late = ticket(&cluster, &token, purpose).await;
        let over = "UPDATE auth_tickets SET created_at = created_at - interval '30 s', expires_at = expires_at - interval '30 s'";
        cluster.test.sql(over).await;
        assert!(
            is_out(&knock(&url, door, Some(&late), nobody).await),
            "{door}: after half a minute"
        );
        for made_up in [
            "sbt_",
            "sbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            token.as_str(),
        ] {
            assert!(
                is_out(&knock(&url, door, Some(made_up), nobody).await),
                "{door}: {made_up}"
            );
        }
        let theirs = cluster.sign_in().await;
        let left = ticket(&cluster, &theirs, purpose).await;
        cluster.post(0, &theirs, "/auth/logout", json!({})).await;
        assert!(
            is_out(&knock(&url, door, Some(&left), nobody).await),
            "{door}: its session has ended"
        );
    }
    let waiting = cluster.test.count("SELECT count(*) FROM auth_tickets").await;
    assert_eq!(waiting, 0, "whoever shows one uses it up, whatever came of it");
}
