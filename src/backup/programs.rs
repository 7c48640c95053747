//! Runs PostgreSQL's own tools. Passwords go through the environment: arguments can be read by anybody.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use signalbox_actors::private_services::PostgresBinaries;
use signalbox_core::kernel::percent;

/// Dumps the database at `url` into `file`.
pub(super) fn dump(binaries: &PostgresBinaries, url: &SecretString, file: &Path) -> anyhow::Result<()> {
    let mut command = tool(binaries, "pg_dump", url);
    command.args(["--format=custom", "--file"]).arg(file);
    finish(command, "pg_dump failed, and nothing was changed")
}

/// Reads a dump to its end, as a restore would.
pub(super) fn check(binaries: &PostgresBinaries, file: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(binaries.program("pg_restore"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.args(["--file", "/dev/null"]).arg(file);
    finish(
        command,
        "pg_restore cannot read the dump, and nothing was changed",
    )
}

/// Loads the dump into the database at `url`, in one transaction. Where the roles are ours they keep what they
/// own; elsewhere everything belongs to whoever `url` names.
pub(super) fn load(
    binaries: &PostgresBinaries,
    url: &SecretString,
    roles_are_ours: bool,
    file: &Path,
) -> anyhow::Result<()> {
    let mut command = tool(binaries, "pg_restore", url);
    command.args(["--single-transaction", "--exit-on-error"]);
    if !roles_are_ours {
        command.arg("--no-owner");
    }
    command.arg(file);
    finish(
        command,
        "pg_restore failed: the database is empty now, and its secret as it was. Mend what is told here and restore again",
    )
}

fn tool(binaries: &PostgresBinaries, name: &str, url: &SecretString) -> Command {
    let (address, password) = split_password(url.expose_secret());
    let mut command = Command::new(binaries.program(name));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .args(["--dbname", &address]);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command
}

/// Runs it; `failed` is told where that does not end well.
fn finish(mut command: Command, failed: &str) -> anyhow::Result<()> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{failed}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// The address without its password, and the password.
fn split_password(url: &str) -> (String, Option<String>) {
    let whole = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else {
        return whole();
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    let Some((user, host)) = authority.rsplit_once('@') else {
        return whole();
    };
    let Some((name, password)) = user.split_once(':') else {
        return whole();
    };
    let path = &rest[authority.len()..];
    (
        format!("{scheme}://{name}@{host}{path}"),
        Some(percent::decoded(password)),
    )
}

#[cfg(test)]
mod tests {
    use super::split_password;

    #[test]
    fn a_password_leaves_the_address_and_is_decoded() {
        let (address, password) =
            split_password("postgres://hub:p%40ss%3Aword@db.example:5432/hub?sslmode=require");
        assert_eq!(address, "postgres://hub@db.example:5432/hub?sslmode=require");
        assert_eq!(password.as_deref(), Some("p@ss:word"));
        let plain = "postgres://signalbox@localhost/signalbox?host=/run/x";
        assert_eq!(split_password(plain), (plain.to_owned(), None));
    }
}
