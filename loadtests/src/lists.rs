//! How long a page of the list of people takes: the first, one far down, and what a search finds.
//!
//! Asked one after another over HTTP, straight after the import that made the people: nothing was vacuumed by hand.

use crate::hub::Hub;
use crate::import;
use crate::report::Report;
use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

const SORTS: [&str; 8] = [
    "created_at",
    "-created_at",
    "name",
    "-name",
    "email",
    "-email",
    "last_login_at",
    "-last_login_at",
];
/// Of everybody, of one in twelve, of one in 132, of a department, beginnings, one hit, none.
const TERMS: [&str; 12] = [
    "example.com",
    "ada",
    "lovelace",
    "shafi turing",
    "Platform",
    "trust & s",
    "a",
    "gr",
    "zz",
    "0000a1b2",
    "margaret.knuth",
    "nobody-has-this",
];
/// Pages of a search that are looked at.
const PAGES: usize = 3;
/// Pages of 1,000 passed before a page counts as deep.
const DEEP: usize = 100;

/// Runs it.
pub async fn run(binary: &Path, rows: u32) -> anyhow::Result<Report> {
    let hub = Hub::start(binary).await?;
    let mut report = Report::new("lists");
    import::people(&hub, rows).await?;
    report.add("people", f64::from(rows), "");
    let mut me = Histogram::<u64>::new(3)?;
    let (mut first, mut deep, mut searched) = (me.clone(), me.clone(), me.clone());
    for sort in SORTS {
        for _ in 0..20 {
            timed(&hub, "/me", &mut me).await?;
            timed(&hub, &list(sort, 50, None, None)?, &mut first).await?;
        }
        let mut cursor = None;
        for _ in 0..DEEP {
            let page = hub.get(&list(sort, 1_000, None, cursor.as_deref())?).await?;
            match next(&page) {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        for _ in 0..20 {
            let page = timed(&hub, &list(sort, 50, None, cursor.as_deref())?, &mut deep).await?;
            cursor = next(&page).or(cursor);
        }
    }
    for term in TERMS {
        let mut slowest = 0_f64;
        for sort in SORTS {
            let mut cursor = None;
            for _ in 0..PAGES {
                let begin = Instant::now();
                let page = timed(
                    &hub,
                    &list(sort, 50, Some(term), cursor.as_deref())?,
                    &mut searched,
                )
                .await?;
                slowest = slowest.max(begin.elapsed().as_secs_f64() * 1_000.0);
                cursor = next(&page);
                if cursor.is_none() {
                    break;
                }
            }
        }
        report.add(format!("slowest page of {term:?} in any order"), slowest, "ms");
    }
    for (name, histogram) in [
        ("GET /me", &me),
        ("first page", &first),
        ("deep page", &deep),
        ("search", &searched),
    ] {
        ensure!(!histogram.is_empty(), "nothing was measured of: {name}");
        for quantile in [0.5, 0.95, 0.99] {
            let value = histogram.value_at_quantile(quantile) as f64 / 1_000.0;
            report.add(format!("{name}, p{}", quantile * 100.0), value, "ms");
        }
    }
    Ok(report)
}

async fn timed(hub: &Hub, path: &str, into: &mut Histogram<u64>) -> anyhow::Result<Value> {
    let begin = Instant::now();
    let answer = hub.get(path).await.with_context(|| path.to_owned())?;
    into.record(begin.elapsed().as_micros() as u64)?;
    Ok(answer)
}

fn list(sort: &str, limit: u32, q: Option<&str>, cursor: Option<&str>) -> anyhow::Result<String> {
    let limit = limit.to_string();
    let mut query = vec![("sort", sort), ("limit", &limit)];
    query.extend(q.map(|q| ("q", q)));
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    let url = reqwest::Url::parse_with_params("http://localhost/users", &query)?;
    Ok(format!("/users?{}", url.query().unwrap_or_default()))
}

fn next(page: &Value) -> Option<String> {
    Some(page["next_cursor"].as_str()?.to_owned())
}
