//! Black-box load for Signalbox: starts the real binary on a folder of its own, speaks only what its users speak, prints a
//! table and writes JSON. Only `permission` looks inside.
//!
//! Machines that run this are small and noisy, so every figure stands beside another one of the same run.

mod auth;
mod chaos;
mod client;
mod cluster;
mod commit;
mod compare;
mod fanout;
mod hub;
mod idle;
mod import;
mod lists;
mod live;
mod machine;
mod peers;
mod people;
mod permission;
mod publish;
mod reconnect;
mod referee;
mod report;
mod revocation;
mod servers;
mod slow;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "Load scenarios for Signalbox")]
struct Arguments {
    /// The hub's binary; a release build, or the figures say nothing.
    #[arg(long, global = true, default_value = "target/release/signalbox")]
    binary: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long, global = true, default_value = "target/loadtests")]
    out: PathBuf,
    /// Folder in which `npm install socket.io` was run.
    #[arg(long, global = true, default_value = "target/peers")]
    socket_io: PathBuf,
    /// Centrifugo's binary, to be compared too.
    #[arg(long, global = true)]
    centrifugo: Option<PathBuf>,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// `users.import` beside `psql \copy` of the same file into a bare and into an equally indexed table.
    Import {
        /// Rows of the file.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u32,
    },
    /// Commit to client, over WebSocket.
    Live {
        /// Connections that listen to `feed:users`.
        #[arg(long, default_value_t = 1_000)]
        subscribers: usize,
        /// Changes, one after another.
        #[arg(long, default_value_t = 1_000)]
        changes: u32,
        /// Changes a second.
        #[arg(long, default_value_t = 20)]
        rate: u32,
    },
    /// The list of people: first pages, deep pages and searches in every order, beside `GET /me` in the same run.
    Lists {
        /// People imported before.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u32,
    },
    /// Deliveries a second of the hub alone, and how long each takes at half of that.
    Fanout {
        /// Subscribers of the one channel; several are measured one after the other.
        #[arg(long, default_value = "1000", value_delimiter = ',')]
        subscribers: Vec<usize>,
        #[command(flatten)]
        how: fanout::Measuring,
    },
    /// The same beside the bare loop and every peer that is here, in turns.
    Compare {
        /// Subscribers of the one channel; several are measured one after the other.
        #[arg(long, default_value = "1000,5000,15000", value_delimiter = ',')]
        subscribers: Vec<usize>,
        /// Turns of every server.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Only these.
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = peers::Peer::ALL)]
        only: Vec<peers::Peer>,
        #[command(flatten)]
        how: fanout::Measuring,
    },
    /// What an idle connection weighs.
    Idle {
        #[arg(long, default_value_t = 5_000)]
        connections: usize,
    },
    /// From a ban, or the end of a session, to the end of every socket that hung on it, on several nodes.
    Revocation {
        #[arg(long, default_value_t = 10_000)]
        sockets: usize,
        #[arg(long, default_value_t = 3)]
        nodes: usize,
    },
    /// From PostgreSQL's commit to the event in every subscriber's hands.
    Commit {
        /// Connections that listen to `feed:users`.
        #[arg(long, default_value_t = 1_000)]
        subscribers: usize,
        /// Changes, one after another.
        #[arg(long, default_value_t = 600)]
        changes: usize,
        /// Changes a second.
        #[arg(long, default_value_t = 20)]
        rate: u32,
    },
    /// A node full of clients is lost and comes back: until the last client has everything it missed.
    Reconnect {
        #[arg(long, default_value_t = 15_000)]
        clients: usize,
        #[arg(long, value_enum, default_value_t = reconnect::Loss::Kill)]
        loss: reconnect::Loss,
    },
    /// Delays beside stalled clients, against none, in interleaved pairs.
    Slow {
        #[command(flatten)]
        wish: slow::Wish,
    },
    /// What a permission check costs a request, in this process, beside an empty loop and a plain map.
    Permission {
        /// People whose rights the node has at hand.
        #[arg(long, default_value_t = 1_000)]
        people: usize,
    },
    /// `GET /users/{id}` beside a bare actix-web handler, how often the caches answer, and a storm of sign-ins.
    Auth {
        #[command(flatten)]
        wish: auth::Wish,
    },
    /// Everything is killed, restarted and flushed, and referees check every message.
    Chaos {
        #[command(flatten)]
        wish: chaos::Wish,
    },
    /// The bare loop that the others are measured against.
    Bare {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// The bare actix-web handler that `auth` measures against.
    BareHttp {
        #[arg(long)]
        listen: SocketAddr,
        /// Of each answer.
        #[arg(long)]
        bytes: usize,
    },
    /// Listens to channels over WebSocket until it is ended, and writes down what it hears.
    Referee {
        /// `http://` address of a node; more than one are tried in turn.
        #[arg(long = "node", required = true)]
        nodes: Vec<String>,
        /// Access token.
        #[arg(long)]
        token: String,
        /// Channel to follow.
        #[arg(long = "channel", required = true)]
        channels: Vec<String>,
        /// Text that may never be heard.
        #[arg(long = "forbidden")]
        forbidden: Vec<String>,
        /// Where to write.
        #[arg(long)]
        heard: PathBuf,
    },
    /// Compares what a referee heard with what was committed; ends with 1 where they differ.
    Judge {
        /// What the referee wrote.
        #[arg(long)]
        heard: PathBuf,
        /// Lines of `{channel, id, version}`.
        #[arg(long)]
        committed: PathBuf,
        /// Event type that is judged on channels other than `feed:audit`.
        #[arg(long, default_value = "user.updated")]
        kind: String,
    },
    /// A file of made-up people on standard output.
    People {
        /// Rows of the file.
        #[arg(long, default_value_t = 100_000)]
        rows: u32,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    machine::allow_many_files()?;
    // in one build with the hub, reqwest speaks TLS too and wants to be told by what
    let _ = rustls::crypto::ring::default_provider().install_default();
    let programs = peers::Programs {
        hub: arguments.binary.clone(),
        socket_io: arguments.socket_io,
        centrifugo: arguments.centrifugo,
    };
    let report = match arguments.scenario {
        Scenario::Fanout { subscribers, how } => fanout::run(&programs, &subscribers, how).await?,
        Scenario::Compare {
            subscribers,
            rounds,
            only,
            how,
        } => compare::run(&programs, &only, &subscribers, rounds, how).await?,
        Scenario::Idle { connections } => idle::run(&programs, connections).await?,
        Scenario::Revocation { sockets, nodes } => revocation::run(&arguments.binary, sockets, nodes).await?,
        Scenario::Commit {
            subscribers,
            changes,
            rate,
        } => commit::run(&arguments.binary, subscribers, changes, rate).await?,
        Scenario::Reconnect { clients, loss } => reconnect::run(&arguments.binary, clients, loss).await?,
        Scenario::Slow { wish } => slow::run(&programs, wish).await?,
        Scenario::Permission { people } => permission::run(&arguments.binary, people).await?,
        Scenario::Auth { wish } => auth::run(&arguments.binary, wish).await?,
        Scenario::Chaos { wish } => {
            let (report, judged) = chaos::run(&arguments.binary, wish).await?;
            report.finish(&arguments.out)?;
            return judged;
        }
        Scenario::Bare { listen } => return peers::serve_bare(listen).await,
        Scenario::BareHttp { listen, bytes } => return auth::serve_bare(listen, bytes).await,
        Scenario::Import { rows } => import::run(&arguments.binary, rows).await?,
        Scenario::Live {
            subscribers,
            changes,
            rate,
        } => live::run(&arguments.binary, subscribers, changes, rate).await?,
        Scenario::Lists { rows } => lists::run(&arguments.binary, rows).await?,
        Scenario::Referee {
            nodes,
            token,
            channels,
            forbidden,
            heard,
        } => {
            let hearing = referee::Hearing {
                transport: referee::Transport::WebSocket,
                nodes,
                token,
                channels,
                database: None,
                forbidden,
                mischief: None,
                out: heard,
            };
            return referee::listen(hearing).await;
        }
        Scenario::Judge {
            heard,
            committed,
            kind,
        } => return pronounce(&heard, &committed, &kind),
        Scenario::People { rows } => return people::write(&mut std::io::stdout().lock(), rows),
    };
    report.finish(&arguments.out)
}

#[expect(clippy::print_stdout, reason = "the verdict is what was asked for")]
fn pronounce(heard: &Path, committed: &Path, kind: &str) -> anyhow::Result<()> {
    let verdict: referee::Verdict =
        referee::judge(&referee::lines(heard)?, &referee::lines(committed)?, kind);
    println!("{}", serde_json::to_string(&verdict)?);
    anyhow::ensure!(verdict.holds(), "what was delivered is not what was committed");
    Ok(())
}
