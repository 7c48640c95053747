//! The way between clients and a hub, which can be cut, and laid to another hub.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// See the module. Whoever connects while it is cut is turned away.
pub struct Cable {
    /// Where clients connect to.
    pub address: String,
    end: watch::Sender<Option<String>>,
}

impl Cable {
    /// To the hub at `address`.
    pub async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (end, at) = watch::channel(Some(address.to_owned()));
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, at.clone()));
            }
        });
        Self { address, end }
    }

    /// Ends every connection, and lets none in.
    pub fn cut(&self) {
        self.end.send_replace(None);
    }

    /// Leads to another hub from now on.
    pub fn lay(&self, address: &str) {
        self.end.send_replace(Some(address.to_owned()));
    }
}

async fn carry(mut client: TcpStream, mut at: watch::Receiver<Option<String>>) {
    let Some(address) = at.borrow_and_update().clone() else {
        return;
    };
    if let Ok(mut hub) = TcpStream::connect(address).await {
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut hub) => {}
            _ = at.changed() => {}
        }
    }
}
