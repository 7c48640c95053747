//! A page of another site, in the browser of somebody who is signed in here: it opens nothing and changes nothing.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use futures::{SinkExt, StreamExt};

use super::live::{TRANSPORTS, request};
use super::wire::{Answer, Asked};
use super::world::{PASSWORD, World, none};

/// Origins that are not the hub's, and one that the browser hides.
const FOREIGN: &[&str] = &[
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost",
    "https://127.0.0.1.evil.example",
];

/// A browser with a session here.
struct Browser {
    cookies: String,
    csrf: String,
}

impl Browser {
    async fn of(world: &World, email: &str) -> Self {
        let request = world.http.post(format!("{}/api/v1/auth/login", world.url));
        let request = request
            .header("x-signalbox-client", "console")
            .header("origin", &world.url)
            .json(&json!({"email": email, "password": PASSWORD}));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let set = answer.headers.get_all("set-cookie").iter();
        let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        Self {
            cookies: pairs.collect::<Vec<_>>().join("; "),
            csrf: answer.json()["csrf_token"].as_str().unwrap().to_owned(),
        }
    }

    fn with(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", &self.cookies)
    }
}

/// What a WebSocket handshake is answered, with a session cookie and an origin.
async fn handshake(
    world: &World,
    transport: &str,
    browser: &Browser,
    headers: &[(&'static str, &str)],
) -> u16 {
    let url = format!("{}{transport}", world.url.replacen("http", "ws", 1));
    let mut asked = url.into_client_request().unwrap();
    asked
        .headers_mut()
        .insert("cookie", browser.cookies.parse().unwrap());
    for (name, value) in headers {
        asked.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(asked).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_opens_no_live_connection_with_the_cookies_of_whoever_is_signed_in() {
    let world = World::start().await;
    let browser = Browser::of(&world, &world.ours.owner.email).await;
    let mut faults = Vec::new();
    let mut pages: Vec<Vec<(&'static str, &str)>> =
        FOREIGN.iter().map(|origin| vec![("origin", *origin)]).collect();
    // a request without an Origin that the browser says comes from elsewhere
    pages.push(vec![("sec-fetch-site", "cross-site")]);
    pages.push(vec![("sec-fetch-site", "same-site")]);
    for transport in TRANSPORTS.iter().chain(&["/emulation"]) {
        for page in &pages {
            let status = if transport.contains("websocket") {
                handshake(&world, transport, &browser, page).await
            } else {
                let asked = if *transport == "/emulation" {
                    world.http.post(format!("{}/emulation", world.url)).body("{}")
                } else {
                    request(&world, transport, "", "feed:users")
                };
                let asked = page.iter().fold(browser.with(asked), |asked, (name, value)| {
                    asked.header(*name, *value)
                });
                Answer::to(asked).await.status
            };
            if status != 403 {
                faults.push(format!("{transport} from {page:?}: {status}"));
            }
        }
    }
    none("A foreign page comes in with somebody's cookies:", faults);
    // the hub's own page does come in by cookie: the refusals above are for the origin
    let own = [("origin", world.url.as_str())];
    assert_eq!(
        handshake(&world, "/connection/websocket", &browser, &own).await,
        101
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_an_operator_lets_in_brings_a_token_of_its_own_and_never_the_session_cookie() {
    let world = World::start().await;
    let browser = Browser::of(&world, &world.ours.owner.email).await;
    let open = async |token: Option<String>| {
        let url = format!("{}/connection/websocket", world.url.replacen("http", "ws", 1));
        let mut asked = url.into_client_request().unwrap();
        asked
            .headers_mut()
            .insert("cookie", browser.cookies.parse().unwrap());
        asked
            .headers_mut()
            .insert("origin", "https://app.example.com".parse().unwrap());
        let (mut socket, _) = connect_async(asked).await.unwrap();
        let connect = token.map_or(json!({}), |token| json!({"token": token}));
        let connect = json!({"id": 1, "connect": connect}).to_string();
        socket.send(Message::text(connect)).await.unwrap();
        match socket.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => u16::from(frame.code),
            said => {
                let said: Value = serde_json::from_str(said.to_text().unwrap()).unwrap();
                assert!(said["connect"]["client"].is_string(), "{said}");
                0
            }
        }
    };
    assert_ne!(open(None).await, 0, "the cookie let a page of another site in");
    let live = world
        .act(&world.ours.owner, Method::POST, "/live/token", json!({}))
        .await;
    assert_eq!(open(live["token"].as_str().map(str::to_owned)).await, 0);
    // and none that is let in is told more than that it may read answers of streams it opened with its own token
    for transport in ["/connection/http_stream", "/connection/uni_http_stream"] {
        let asked = browser.with(request(&world, transport, "", "feed:users"));
        let asked = asked.header("origin", "https://app.example.com");
        let answer = asked.send().await.unwrap();
        let mut chunks = answer.bytes_stream();
        let mut text = String::new();
        while let Some(Ok(chunk)) = chunks.next().await {
            text += &String::from_utf8_lossy(&chunk);
        }
        assert!(!text.contains("\"client\""), "{transport}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_is_carried_out_for_a_foreign_page_whatever_it_sends_along() {
    let world = World::start().await;
    for operation in &world.spec.operations {
        world.kept(&world.ours, operation, false).await;
    }
    let before = world.digests(&world.ours).await;
    let ids = world.ours.kept.lock().clone();
    let mut faults = Vec::new();
    let browser = Browser::of(&world, &world.person(&world.theirs, &["owner"]).await.email).await;
    let ours = Browser::of(&world, &world.ours.owner.email).await;
    let signed_in = world.digests(&world.ours).await;
    let mut asked_for = 0;
    for operation in world.spec.operations.iter().filter(|operation| !operation.open) {
        let asked = Asked::of(&world.spec, operation, &ids, false);
        let asked = || ours.with(asked.request(&world.http, &world.url, operation));
        let mut tries = vec![
            (
                "another site",
                "auth.origin",
                asked()
                    .header("origin", "https://evil.example")
                    .header("x-csrf-token", &ours.csrf),
            ),
            (
                "a hidden origin",
                "auth.origin",
                asked()
                    .header("origin", "null")
                    .header("x-csrf-token", &ours.csrf),
            ),
        ];
        if operation.writes() {
            tries.push((
                "no origin",
                "auth.origin",
                asked().header("x-csrf-token", &ours.csrf),
            ));
            tries.push(("no token", "auth.csrf", asked().header("origin", &world.url)));
            tries.push((
                "an empty token",
                "auth.csrf",
                asked().header("origin", &world.url).header("x-csrf-token", ""),
            ));
            tries.push((
                "another session's token",
                "auth.csrf",
                asked()
                    .header("origin", &world.url)
                    .header("x-csrf-token", &browser.csrf),
            ));
            asked_for += 1;
        }
        for (what, code, request) in tries {
            let answer = Answer::to(request).await;
            // a stream's door has words of its own
            let refused = answer.code() == code || answer.code() == "live.foreign_origin";
            if answer.status != 403 || !refused {
                let text: String = answer.text.chars().take(200).collect();
                faults.push(format!("{} with {what}: {} {text}", operation.id, answer.status));
            }
        }
    }
    assert!(asked_for > 20, "{asked_for}");
    let after = world.digests(&world.ours).await;
    let changed = signed_in
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    faults.extend(changed.map(|(before, after)| format!("a foreign page changed {before} to {after}")));
    assert_eq!(before.len(), after.len());
    none("Carried out for a foreign page:", faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_to_whoever_asks_signs_nobody_in_for_a_foreign_page() {
    let world = World::start().await;
    let browser = Browser::of(&world, &world.ours.owner.email).await;
    let body = json!({"email": world.ours.owner.email, "password": PASSWORD});
    for origin in FOREIGN {
        // a login that would set cookies in the victim's browser, with the attacker's account
        let login = world.http.post(format!("{}/api/v1/auth/login", world.url));
        let login = login
            .header("x-signalbox-client", "console")
            .header("origin", *origin);
        let answer = Answer::to(login.json(&body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "auth.origin".to_owned()),
            "{origin}"
        );
        assert!(answer.headers.get("set-cookie").is_none(), "{origin}");
        let refresh = world.http.post(format!("{}/api/v1/auth/refresh", world.url));
        let refresh = browser.with(
            refresh
                .header("origin", *origin)
                .header("x-csrf-token", &browser.csrf),
        );
        let answer = Answer::to(refresh.json(&json!({}))).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "auth.origin".to_owned()),
            "{origin}"
        );
    }
}
