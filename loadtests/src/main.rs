//! Black-box load for Signalbox: starts the real binary on a folder of its own, speaks only what its users speak, prints a
//! table and writes JSON.
//!
//! Machines that run this are small and noisy, so every figure stands beside another one of the same run.

mod hub;
mod import;
mod lists;
mod live;
mod people;
mod referee;
mod report;

use clap::{Parser, Subcommand};
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
    let report = match arguments.scenario {
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
            heard,
        } => {
            let hearing = referee::Hearing {
                nodes,
                token,
                channels,
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
