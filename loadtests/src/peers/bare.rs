//! The floor: one tokio task for a connection, which writes frames that were encoded once, as many at a time as wait.
//! No protocol, no reading, no queue but tokio's broadcast channel. The frames are byte for byte those that the hub sends.

use super::process::{Process, Scratch, free_port};
use super::{Server, hub};
use crate::client::{Dialect, Door};
use crate::publish::Route;
use anyhow::bail;
use bytes::Bytes;
use std::net::SocketAddr;
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinSet;

/// Bytes written at once, as the hub does.
const CHUNK: usize = 32 * 1024;
/// Publications that may wait; who falls further behind is cut off.
const WAITING: usize = 4_096;
/// The longest request.
const REQUEST: usize = 1 << 20;

pub fn start() -> anyhow::Result<Server> {
    let (scratch, address) = (Scratch::new("bare")?, free_port()?);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", "--listen", &address.to_string()]);
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(address)?;
    Ok(Server {
        name: "bare tokio".to_owned(),
        pid: process.pid(),
        door: door(address),
        route: route(address),
        _running: Box::new((process, scratch)),
    })
}

fn door(address: SocketAddr) -> Door {
    Door {
        address,
        path: "/connection/websocket".to_owned(),
        dialect: Dialect::Centrifuge {
            token: String::new(),
            channel: hub::PLAIN.to_owned(),
        },
    }
}

fn route(address: SocketAddr) -> Route {
    Route::Lines {
        address,
        path: "/publish".to_owned(),
    }
}

/// Serves until it is ended from outside.
pub async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener: TcpListener = socket.listen(4_096)?;
    let publications = broadcast::Sender::new(WAITING);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let publications = publications.clone();
        // an error is the end of that connection, and its client tells
        connections.spawn(async move { connection(stream, publications).await.is_ok() });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut stream: TcpStream, publications: broadcast::Sender<Bytes>) -> anyhow::Result<()> {
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        let (head, body) = request(&mut stream, &mut bytes).await?;
        if let Some(key) = header(&head, "sec-websocket-key") {
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
            drop(bytes);
            return subscriber(stream, publications.subscribe()).await;
        }
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // an error is that nobody listens
            let _ = publications.send(push(line));
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await?;
    }
}

/// Waits for the commands of a subscriber, says yes, and then writes what comes.
async fn subscriber(
    mut stream: TcpStream,
    mut publications: broadcast::Receiver<Bytes>,
) -> anyhow::Result<()> {
    if stream.read(&mut [0; 1_024]).await? == 0 {
        bail!("gone");
    }
    stream
        .write_all(&text(
            b"{\"id\":1,\"connect\":{\"client\":\"c\"}}\n{\"id\":2,\"subscribe\":{}}",
        ))
        .await?;
    let mut chunk = Vec::new();
    loop {
        match publications.recv().await {
            Ok(frame) => chunk.extend_from_slice(&frame),
            Err(RecvError::Closed) => return Ok(()),
            Err(RecvError::Lagged(_)) => bail!("too slow"),
        }
        while chunk.len() < CHUNK
            && let Ok(frame) = publications.try_recv()
        {
            chunk.extend_from_slice(&frame);
        }
        stream.write_all(&chunk).await?;
        chunk.clear();
    }
}

/// The hub's frame for a publication.
fn push(payload: &[u8]) -> Bytes {
    let begin = format!("{{\"push\":{{\"channel\":\"{}\",\"pub\":{{\"data\":", hub::PLAIN);
    text(&[begin.as_bytes(), payload, b"}}}"].concat()).into()
}

fn text(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match message.len() {
        short @ ..126 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(message);
    frame
}

/// The next request: its head, and its body.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> anyhow::Result<(String, Vec<u8>)> {
    loop {
        if let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length: usize = header(&head, "content-length").map_or(Ok(0), str::parse)?;
            let whole = end + 4 + length;
            if bytes.len() >= whole {
                let body = bytes[end + 4..whole].to_vec();
                bytes.drain(..whole);
                return Ok((head, body));
            }
        }
        if bytes.len() > REQUEST || stream.read_buf(bytes).await? == 0 {
            bail!("no request");
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Crowd;
    use crate::fanout::{deliver, settle};
    use crate::publish::Publisher;
    use std::time::Duration;

    const SUBSCRIBERS: usize = 50;

    /// The route for publishers, and a crowd that hears what they publish.
    fn gathered(address: SocketAddr) -> (Publisher, Crowd) {
        let crowd = Crowd::gather(&door(address), SUBSCRIBERS, 2).unwrap();
        let mut publisher = Publisher::open(&route(address), 3).unwrap();
        publisher.warm_up(&crowd).unwrap();
        settle(&crowd).unwrap();
        (publisher, crowd)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_published_in_a_flood_and_at_a_rate_comes_to_everybody_once_and_in_order() {
        let address = free_port().unwrap();
        let server = serve(address);
        let client = tokio::task::spawn_blocking(move || {
            let (mut publisher, crowd) = gathered(address);
            let lasting = Duration::from_millis(300);
            deliver(&crowd, || publisher.flood(&crowd, 32, 4, lasting)).unwrap();
            assert!(crowd.tally.take_delays().is_empty());
            deliver(&crowd, || publisher.pace(&crowd, 100.0, 2, lasting)).unwrap();
            assert_eq!(crowd.tally.take_delays().len(), 30 * SUBSCRIBERS as u64);
        });
        tokio::select! {
            ended = server => ended.unwrap(),
            done = client => done.unwrap(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_delivery_too_many_and_a_server_that_goes_are_errors() {
        let address = free_port().unwrap();
        let server = serve(address);
        let client = tokio::task::spawn_blocking(move || {
            let (mut publisher, crowd) = gathered(address);
            let wrong = deliver(&crowd, || {
                publisher
                    .pace(&crowd, 100.0, 2, Duration::from_millis(200))
                    .map(|sent| sent / 2)
            });
            assert!(wrong.unwrap_err().to_string().contains("more were delivered"));
            crowd
        });
        let crowd = tokio::select! {
            ended = server => panic!("{ended:?}"),
            crowd = client => crowd.unwrap(),
        };
        // the server has ended with the future that was it
        tokio::task::spawn_blocking(move || {
            while crowd.tally.check().is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        })
        .await
        .unwrap();
    }
}
