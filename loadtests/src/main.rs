//! Black-box load for Signalbox: starts the real binary on a folder of its own, speaks only what its users speak, prints a
//! table and writes JSON.
//!
//! Machines that run this are small and noisy, so every figure stands beside another one of the same run.

mod hub;
mod import;
mod live;
mod people;
mod report;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

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
        Scenario::People { rows } => return people::write(&mut std::io::stdout().lock(), rows),
    };
    report.finish(&arguments.out)
}
