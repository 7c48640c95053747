//! Mail under `kill -9`, between the server's yes and the note of it.

use super::killed::{self, EMAIL};
use crate::services::hub::{Folder, Hub};
use nix::sys::signal::Signal;
use serde_json::json;
use signalbox_core::testing::eventually;
use signalbox_core::testing::providers::MailServer;
use std::path::Path;

fn start(data: &Path, server: &MailServer) -> Hub {
    let mail = [
        ("SIGNALBOX__MAIL__URL", server.url.as_str()),
        ("SIGNALBOX__MAIL__FROM", "hub@hub.example"),
    ];
    killed::start(data, &mail)
}

async fn forget(hub: &Hub) {
    let url = format!("http://{}/api/v1/auth/password/forgot", hub.address);
    let asked = crate::harness::client()
        .post(url)
        .json(&json!({"email": EMAIL}))
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_after_sending_sends_once_more_under_the_same_message_id_and_then_no_more() {
    let (folder, server) = (Folder::new(), MailServer::start().await);
    let data = folder.path();
    let mut hub = start(data, &server);
    let (stop, here) = (data.join("messages.sent.stop"), data.join("messages.sent.here"));
    std::fs::write(&stop, "").unwrap();
    forget(&hub).await;
    eventually("the mail is sent, and not yet noted", async || here.exists()).await;
    assert_eq!(server.received().len(), 1);
    hub.signal(Signal::SIGKILL);
    hub.ended();
    std::fs::remove_file(&stop).unwrap();
    let hub = start(data, &server);
    eventually("it is sent once more", async || server.received().len() == 2).await;
    // one more mail, to see that the first is not sent a third time before it
    forget(&hub).await;
    eventually("the other mail is sent", async || server.received().len() >= 3).await;
    let ids: Vec<_> = server
        .received()
        .iter()
        .map(|mail| mail.header("message-id").unwrap())
        .collect();
    assert_eq!((ids.len(), &ids[0]), (3, &ids[1]), "{ids:?}");
    assert_ne!(ids[1], ids[2]);
    assert_eq!(server.received()[0].token(), server.received()[1].token());
}
