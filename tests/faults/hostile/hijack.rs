//! A page of another site, in the browser of somebody who is signed in, opens what only the hub's own pages may (cross-site
//! WebSocket hijacking, CWE-1385): the browser sends the cookies along, and says where the page is from.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::super::relay::cluster::Cluster;
use crate::harness::{client, problem};
use signalbox::http::caller::ACCESS_COOKIE;

/// Every transport; and a page of another host that may come.
pub(super) const ALL: &[(&str, &str)] = &[
    ("SIGNALBOX__LIVE__ALLOWED_ORIGINS", "https://app.example.com"),
    ("SIGNALBOX__LIVE__TRANSPORTS__HTTP_STREAM", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__SSE", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_SSE", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_HTTP_STREAM", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_WEBSOCKET", "true"),
];

/// Every way to open a live connection, as a browser would ask.
fn doors(url: &str) -> Vec<(&'static str, RequestBuilder)> {
    let upgrade = |path: &str| {
        client()
            .get(format!("{url}{path}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let connect = json!({"id": 1, "connect": {}}).to_string();
    let post = |path: &str, body: &str| client().post(format!("{url}{path}")).body(body.to_owned());
    let get = |path: &str| client().request(Method::GET, format!("{url}{path}"));
    vec![
        ("websocket", upgrade("/connection/websocket")),
        ("uni_websocket", upgrade("/connection/uni_websocket")),
        ("http_stream", post("/connection/http_stream", &connect)),
        ("sse", get("/connection/sse").query(&[("cf_connect", &connect)])),
        (
            "uni_sse",
            get("/connection/uni_sse").query(&[("cf_connect", "{}")]),
        ),
        ("uni_http_stream", post("/connection/uni_http_stream", "{}")),
        (
            "event stream",
            get("/api/v1/stream").query(&[("channel", "feed:users")]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_opens_nothing_over_any_transport_with_the_cookies_of_who_is_signed_in() {
    let cluster = Cluster::start_with(1, ALL).await;
    let url = cluster.nodes[0].url.clone();
    let cookies = format!("{ACCESS_COOKIE}={}", cluster.sign_in().await);
    let mut opened = 0;
    for (name, own) in doors(&url) {
        let answer = own
            .header("cookie", &cookies)
            .header("origin", &url)
            .send()
            .await
            .unwrap();
        let good = [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS].contains(&answer.status());
        assert!(good, "{name} of the hub's own page: {}", answer.status());
        opened += 1;
    }
    assert_eq!(opened, 7);
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        // a browser may leave the origin out of a GET, and then says this
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (header, value) in foreign {
        for (name, door) in doors(&url) {
            let answer = door
                .header("cookie", &cookies)
                .header(header, value)
                .send()
                .await
                .unwrap();
            assert!(
                answer.headers().get("access-control-allow-origin").is_none(),
                "{name}"
            );
            let (status, code) = problem(answer).await;
            assert_eq!(
                (status, code.as_str()),
                (403, "live.foreign_origin"),
                "{name}, {header}: {value}"
            );
        }
    }
}
