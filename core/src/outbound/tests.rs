use super::*;
use crate::kernel::error::Kind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Somebody on this machine who answers every request with what is set.
pub(crate) struct StandIn {
    pub(crate) url: String,
    pub(crate) asked: Arc<AtomicUsize>,
    answer: Arc<parking_lot::Mutex<String>>,
    serving: tokio::task::JoinHandle<()>,
}

impl StandIn {
    pub(crate) async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (asked, answer) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(parking_lot::Mutex::new(answer)),
        );
        let (count, said) = (Arc::clone(&asked), Arc::clone(&answer));
        let serving = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (count, said) = (Arc::clone(&count), Arc::clone(&said));
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    let _ = socket.read(&mut request).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = said.lock().clone();
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self {
            url,
            asked,
            answer,
            serving,
        }
    }

    pub(crate) fn now_answers(&self, answer: String) {
        *self.answer.lock() = answer;
    }

    pub(crate) fn times(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn an_answer_within_the_limit_is_read_and_a_longer_one_is_not() {
    let stand_in = StandIn::answering(ok("0123456789")).await;
    let outbound = Outbound::new().unwrap();
    assert_eq!(outbound.get(&stand_in.url, 10).await.unwrap(), "0123456789");
    assert_eq!(
        outbound.get(&stand_in.url, 9).await.unwrap_err().kind,
        Kind::Unavailable
    );
}

#[tokio::test]
async fn whoever_answers_anything_but_200_or_not_at_all_is_unavailable() {
    let stand_in = StandIn::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()).await;
    let outbound = Outbound::new().unwrap();
    assert_eq!(
        outbound.get(&stand_in.url, 10).await.unwrap_err().kind,
        Kind::Unavailable
    );
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = outbound.get(&format!("http://{nobody}/"), 10).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn whoever_speaks_plain_http_is_not_believed_to_speak_https() {
    let stand_in = StandIn::answering(ok("{}")).await;
    let url = stand_in.url.replace("http://", "https://");
    assert_eq!(
        Outbound::new().unwrap().get(&url, 10).await.unwrap_err().kind,
        Kind::Unavailable
    );
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let stand_in = StandIn::answering(String::new()).await;
    let around = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        stand_in.url
    );
    stand_in.now_answers(around);
    assert_eq!(
        Outbound::new()
            .unwrap()
            .get(&stand_in.url, 10)
            .await
            .unwrap_err()
            .kind,
        Kind::Unavailable
    );
    assert_eq!(stand_in.times(), REDIRECTS + 1);
}

#[tokio::test]
async fn a_straight_client_goes_nowhere_else() {
    let stand_in = StandIn::answering(ok("{}")).await;
    let elsewhere = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        stand_in.url
    );
    let sends_on = StandIn::answering(elsewhere).await;
    let outbound = Outbound::straight().unwrap();
    let refused = outbound.get(&sends_on.url, 10).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unavailable);
    let posted = outbound
        .post_form(&sends_on.url, &[("code", "secret")], None, 10)
        .await;
    assert_eq!(posted.unwrap().0, 307);
    assert_eq!((sends_on.times(), stand_in.times()), (2, 0));
}
