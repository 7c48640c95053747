//! `signalbox config check` and `config print`.

use clap::Subcommand;

use super::say;
use crate::config::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say whether the settings can be used
    Check,
    /// Print the settings in effect, secrets left out
    Print,
}

/// By the time this runs the settings have been read and checked.
pub(super) fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Command::Check => say("the settings are good"),
        Command::Print => say(toml::to_string(settings)?.trim_end()),
    }
    Ok(())
}
