//! One address before all nodes, as an operator's balancer is: it asks each for its readiness and sends whoever comes to the
//! first that is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::relay::cluster::Cluster;

pub struct Balancer {
    /// `127.0.0.1:port`.
    pub address: String,
    tasks: [JoinHandle<()>; 2],
}

impl Balancer {
    pub async fn before(cluster: &Cluster) -> Self {
        let urls: Vec<String> = cluster.nodes.iter().map(|node| node.url.clone()).collect();
        let nodes: Vec<String> = urls.iter().map(|url| url.replacen("http://", "", 1)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = Arc::new(AtomicUsize::new(0));
        let chosen = target.clone();
        let watch = tokio::spawn(async move {
            let http = crate::harness::client_with()
                .timeout(Duration::from_secs(1))
                .build()
                .unwrap();
            loop {
                for (number, url) in urls.iter().enumerate() {
                    let asked = http.get(format!("{url}/readyz")).send().await;
                    if asked.is_ok_and(|answer| answer.status().is_success()) {
                        chosen.store(number, Ordering::Relaxed);
                        break;
                    }
                }
                // how often a balancer looks
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let serve = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let node = nodes[target.load(Ordering::Relaxed)].clone();
                tokio::spawn(async move {
                    // a node that is gone: the client is closed and comes back
                    if let Ok(mut hub) = TcpStream::connect(node).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut hub).await;
                    }
                });
            }
        });
        Self {
            address,
            tasks: [watch, serve],
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
