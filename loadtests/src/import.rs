//! Rows a second of `users.import`, beside `psql \copy` of the same file in the same run.

use crate::hub::Hub;
use crate::people;
use crate::report::Report;
use anyhow::{Context, bail};
use reqwest::multipart::{Form, Part};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs it.
pub async fn run(binary: &Path, rows: u32) -> anyhow::Result<Report> {
    let hub = Hub::start(binary).await?;
    let mut report = Report::new("import");
    report.add("hub memory, idle", hub.memory()?.0, "MiB");
    let file = std::env::temp_dir().join(format!("signalbox-people-{}.csv", std::process::id()));
    people::write(&mut std::fs::File::create(&file)?, rows)?;
    let outcome = measure(&hub, &file, rows, &mut report).await;
    std::fs::remove_file(&file)?;
    outcome?;
    Ok(report)
}

async fn measure(hub: &Hub, file: &Path, rows: u32, report: &mut Report) -> anyhow::Result<()> {
    copy(
        hub,
        file,
        "CREATE TABLE load_bare (name text, email text, phone text, department text)",
        "load_bare",
        rows,
        report,
    )?;
    let indexed = "CREATE TABLE load_indexed (LIKE users INCLUDING ALL);
        ALTER TABLE load_indexed ALTER id SET DEFAULT gen_random_uuid(), ALTER organization_id SET DEFAULT gen_random_uuid()";
    copy(hub, file, indexed, "load_indexed", rows, report)?;
    psql(hub, "DROP TABLE load_bare, load_indexed; CHECKPOINT")?;

    let begin = Instant::now();
    let import = upload(hub, file).await?;
    report.add("upload accepted after", begin.elapsed().as_secs_f64(), "s");
    let state = ended(hub, &import).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let inserted = state["counts"]["inserted"]
        .as_u64()
        .context("no counts.inserted")?;
    if inserted != u64::from(rows) {
        bail!("{inserted} of {rows} rows were inserted: {state}");
    }
    report.add(
        format!("users.import of {rows} rows, upload to done"),
        seconds,
        "s",
    );
    report.add("users.import", f64::from(rows) / seconds, "rows/s");
    let (now, highest) = hub.memory()?;
    report.add("hub memory, after the import", now, "MiB");
    report.add("hub memory, highest", highest, "MiB");
    Ok(())
}

/// A hub's people become those of a file of `rows` lines.
pub async fn people(hub: &Hub, rows: u32) -> anyhow::Result<()> {
    let file = std::env::temp_dir().join(format!("signalbox-people-{}.csv", std::process::id()));
    people::write(&mut std::fs::File::create(&file)?, rows)?;
    let import = upload(hub, &file).await;
    std::fs::remove_file(&file)?;
    ended(hub, &import?).await?;
    Ok(())
}

async fn ended(hub: &Hub, import: &str) -> anyhow::Result<serde_json::Value> {
    loop {
        let state = hub.get(&format!("/imports/{import}")).await?;
        match state["state"].as_str() {
            Some("succeeded") => return Ok(state),
            Some("failed" | "cancelled" | "quarantined") => bail!("the import ended badly: {state}"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn upload(hub: &Hub, file: &Path) -> anyhow::Result<String> {
    let part = Part::stream(reqwest::Body::from(std::fs::read(file)?))
        .file_name("people.csv")
        .mime_str("text/csv")?;
    let form = Form::new()
        .text("kind", "users")
        .text("mode", "commit")
        .part("file", part);
    let request = hub
        .http
        .post(format!("{}/api/v1/imports", hub.url))
        .bearer_auth(&hub.token)
        .multipart(form);
    let answer: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
    Ok(answer["id"].as_str().context("no id")?.to_owned())
}

fn copy(
    hub: &Hub,
    file: &Path,
    create: &str,
    table: &str,
    rows: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    psql(hub, create)?;
    let begin = Instant::now();
    psql(
        hub,
        &format!(
            "\\copy {table} (name, email, phone, department) FROM '{}' WITH (FORMAT csv, HEADER)",
            file.display()
        ),
    )?;
    report.add(
        format!("psql \\copy into {table}"),
        f64::from(rows) / begin.elapsed().as_secs_f64(),
        "rows/s",
    );
    Ok(())
}

fn psql(hub: &Hub, sql: &str) -> anyhow::Result<()> {
    let output = Command::new("psql")
        .arg("-qX")
        .args([
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "signalbox",
            "-d",
            "signalbox",
            "-c",
            sql,
            "-h",
        ])
        .arg(hub.sockets().canonicalize()?)
        .output()
        .context("psql is needed: install the PostgreSQL client")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
