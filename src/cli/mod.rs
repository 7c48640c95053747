//! The command line. Each command loads the settings, does one thing, and says in plain words what came of it.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong arguments or settings.

mod admin;
mod audit;
mod backup;
mod config;
mod demo;
mod doctor;
mod drain;
mod keys;
mod migrate;
mod openapi;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;
use signalbox_actors::private_services::child;
use signalbox_core::auth::Bootstrapped;

use crate::config::{ConfigError, Flags, Settings, load};
use crate::serve;

/// A self-hosted live operations hub.
#[derive(Parser)]
#[command(name = "signalbox", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// Configuration file; `signalbox config print` shows every key
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: /var/lib/signalbox as root, else $XDG_DATA_HOME/signalbox]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub
    Serve {
        /// Address to listen on; port 0 takes a free one and prints it
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// What this node does, of api, actors and jobs, with commas
        #[arg(long, value_name = "ROLES")]
        roles: Option<String>,
    },
    /// Empty the node that runs on the data folder: not ready from now on, clients are moved to other nodes
    Drain {
        /// Return when no client is left
        #[arg(long)]
        wait: bool,
    },
    /// Bring the database to this version; serve does so by itself
    Migrate,
    /// Give access back
    #[command(subcommand)]
    Admin(admin::Command),
    /// The keys that sign tokens
    #[command(subcommand)]
    Keys(keys::Command),
    /// The proof of the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check what the hub needs, and say how to mend what is wrong
    Doctor,
    /// Write everything into one file; the hub may be running
    Backup { file: PathBuf },
    /// Put a backup back; the hub must not be running
    Restore {
        file: PathBuf,
        /// Throw away what the database holds now
        #[arg(long)]
        replace: bool,
    },
    /// Fill the hub with made-up people and some activity, to look around in
    Demo,
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
}

/// Runs the program named by the process's arguments.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == child::COMMAND) {
        return failed(&child::run(arguments));
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let mut flags = Flags {
        config: cli.common.config,
        data: cli.common.data,
        ..Flags::default()
    };
    if let Command::Serve { listen, roles } = &cli.command {
        flags.listen = *listen;
        flags.roles.clone_from(roles);
    }
    let settings: Settings = load(&flags)?;
    match cli.command {
        Command::Serve { .. } => serve::run(settings),
        Command::Drain { wait } => drain::run(&settings, wait),
        Command::Migrate => migrate::run(&settings),
        Command::Admin(command) => admin::run(&command, &settings),
        Command::Keys(command) => keys::run(&command, &settings),
        Command::Audit(command) => audit::run(&command, &settings),
        Command::Demo => demo::run(&settings),
        Command::Openapi => openapi::run(),
        Command::Doctor => doctor::run(&settings),
        Command::Backup { file } => backup::backup(&settings, &file),
        Command::Restore { file, replace } => backup::restore(&settings, &file, replace),
        Command::Config(command) => config::run(&command, &settings),
    }
}

/// Prints the error with its causes; what to do next stands in it.
fn failed(error: &anyhow::Error) -> ExitCode {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors quote their cause themselves.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let _ = writeln!(std::io::stderr(), "signalbox: {text}");
    ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
}

/// Says who the new owner is. The only place that ever prints a password: one that we made, once.
pub(crate) fn say_how_to_sign_in(owner: &Bootstrapped) {
    match &owner.one_time_password {
        Some(password) => say(format_args!(
            "Sign in as {} with the one-time password {} (you choose your own then)",
            owner.email,
            password.expose_secret()
        )),
        None => say(format_args!(
            "Sign in as {} with the password that was set",
            owner.email
        )),
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work))
}

/// One line for the person at the terminal. A closed terminal is no reason to stop.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
