//! V12, secure communication.

use super::json_of;
use crate::harness::hub;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A certificate for `localhost` that nobody has signed but its own key, and that key, in DER. They are of this test alone.
const CERTIFICATE: &[&str] = &[
    "MIIBmjCCAUGgAwIBAgIUTdGPjUJmBOLliw95PiGuLZC7qEUwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDA3MT",
    "MwM1oYDzIxMjYxMTA2MDcxMzAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASU/p+W3LwYB8WUPGXu",
    "JHC1/xzqOTM2z2THmD1WOj2BTZc1UrEb4ZjC09yrtNGiE1qwTZbpem8DzlTmnr2jQb+to28wbTAdBgNVHQ4EFgQUU6eiuV6gV+D5DF3RXZX1bi",
    "m0EBQwHwYDVR0jBBgwFoAUU6eiuV6gV+D5DF3RXZX1bim0EBQwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEw",
    "CgYIKoZIzj0EAwIDRwAwRAIgW6Um2yhTcE+7QD6pdQB2JEWbWEsLTZBtQepoPhNUrvACIFZC5NsNoRPwE3d2G61AH29j9sIyhE0ReOiWRE4rq1",
    "LX",
];
const KEY: &[&str] = &[
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2ms8ChFy7zl8OxpfXQqrzE0Qak7dwZgxjdrVZL64esmhRANCAASU/p+W3LwYB8",
    "WUPGXuJHC1/xzqOTM2z2THmD1WOj2BTZc1UrEb4ZjC09yrtNGiE1qwTZbpem8DzlTmnr2jQb+t",
];

/// A server that speaks TLS with that certificate: its port, how often somebody came, and how often they said something to it.
fn impostor() -> (u16, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from(STANDARD.decode(CERTIFICATE.concat()).unwrap());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(STANDARD.decode(KEY.concat()).unwrap()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("localhost:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let counts = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (came, spoke) = counts.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            came.fetch_add(1, Ordering::SeqCst);
            let mut session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = Stream::new(&mut session, &mut socket);
            if stream.read(&mut [0; 1_024]).is_ok_and(|read| read > 0) {
                spoke.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    (port, counts.0, counts.1)
}

#[tokio::test]
async fn v5_0_0_12_3_2_nothing_is_said_to_a_server_whose_certificate_nobody_vouches_for() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (port, came, spoke) = impostor();
    let body = json!({"kind": "oidc", "name": "Staff", "issuer": format!("https://localhost:{port}"), "client_id": "c"});
    let made = json_of(hub.send(&owner, Method::POST, "/providers", body).await).await;
    let path = format!("/providers/{}/test", made["id"].as_str().unwrap());
    let tested = json_of(hub.send(&owner, Method::POST, &path, json!({})).await).await;
    assert_eq!(tested["works"], false, "{tested}");
    assert!(came.load(Ordering::SeqCst) > 0, "the hub has not been there");
    assert_eq!(spoke.load(Ordering::SeqCst), 0, "the hub has said something");
}
