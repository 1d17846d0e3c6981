//! The build cache that our builds left: on the engine, and as mirrors of repositories beside it.
//!
//! BuildKit does not say whose a record is. Those that it made while it built for us are taken for
//! ours, by what the ledger says of when that was; all others stay, whoever they belong to. Nothing
//! is forced: what a build uses, or another record is made of, stays for another time.

use std::io;
use std::time::Duration;

use hythe_core::time::Timestamp;
use hythe_core::wire::storage::{CacheId, CacheRecord, MOST_CACHE};
use serde::Deserialize;
use tokio::time::timeout;

use super::run::Builder;

/// How long the engine may take to say what it has, and to let go of some of it.
const WITHIN: Duration = Duration::from_secs(100);
/// The most characters of what a record came of.
const MOST_WHAT: usize = 120;

/// What engines say: newer ones say it in another place.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    #[serde(default)]
    build_cache: Option<Vec<Record>>,
    #[serde(default)]
    build_cache_usage: Option<Items>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Items {
    #[serde(default)]
    items: Option<Vec<Record>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    in_use: bool,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    size: i64,
    created_at: String,
    #[serde(default)]
    last_used_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pruned {
    #[serde(default)]
    space_reclaimed: i64,
}

/// The records that came of builds of this builder; some of them where there are very many.
pub(super) async fn stored(builder: &Builder) -> Result<Vec<CacheRecord>, String> {
    let mirrors = builder.mirrors.clone();
    let mirrors = tokio::task::spawn_blocking(move || mirrors.records()).await;
    let mirrors = mirrors.map_err(|error| error.to_string())?;
    let mirrors =
        mirrors.map_err(|error| format!("look at the mirrors of repositories: {error}"))?;
    Ok(oldest(mirrors.into_iter().chain(on_engine(builder).await?)))
}

/// Those that were used longest ago; some of them where there are very many.
fn oldest(records: impl Iterator<Item = CacheRecord>) -> Vec<CacheRecord> {
    let mut records: Vec<CacheRecord> = records.collect();
    records.sort_by_key(|record| record.used_at);
    records.truncate(MOST_CACHE);
    records
}

async fn on_engine(builder: &Builder) -> Result<Vec<CacheRecord>, String> {
    let spans = builder.ledger.with(|ledger| ledger.spans()).await;
    let spans = spans.map_err(|error| error.to_string())?;
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let ask = async {
        let version = builder.engine.greet().await?;
        builder.engine.for_build(&version).cache().await
    };
    let said = timeout(WITHIN, ask).await.map_err(|_| "the engine does not answer".to_owned())?;
    let said = said.map_err(|error| format!("look at the build cache: {error}"))?;
    let usage: Usage = serde_json::from_slice(&said)
        .map_err(|error| format!("read what the engine says of its build cache: {error}"))?;
    Ok(ours(usage, &spans))
}

fn ours(usage: Usage, spans: &[(Timestamp, Timestamp)]) -> Vec<CacheRecord> {
    let newer = usage.build_cache_usage.and_then(|usage| usage.items).unwrap_or_default();
    let all = usage.build_cache.unwrap_or_default().into_iter().chain(newer);
    oldest(all.filter_map(|record| of_ours(record, spans)))
}

fn of_ours(record: Record, spans: &[(Timestamp, Timestamp)]) -> Option<CacheRecord> {
    let moment = |text: &str| -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Timestamp)
    };
    let made = moment(&record.created_at)?;
    // Builds overlap, and the one that began last may have ended first.
    let begun = spans.partition_point(|(from, _)| *from <= made);
    if !spans.get(..begun)?.iter().any(|(_, until)| made <= *until) {
        return None;
    }
    Some(CacheRecord {
        id: CacheId::new(record.id).ok()?,
        what: record.description.chars().filter(|c| !c.is_control()).take(MOST_WHAT).collect(),
        // What an image is made of takes no room of its own.
        bytes: if record.shared { 0 } else { u64::try_from(record.size).unwrap_or_default() },
        used_at: record.last_used_at.as_deref().and_then(moment).map_or(made, |at| at.max(made)),
        in_use: record.in_use || record.shared,
    })
}

/// Lets go of records; answers how many bytes that gave.
pub(super) async fn remove(builder: &Builder, ids: &[CacheId]) -> Result<u64, String> {
    let (mirrors, going) = (builder.mirrors.clone(), ids.to_vec());
    let removed = tokio::task::spawn_blocking(move || {
        going.iter().try_fold(0, |bytes, id| Ok::<u64, io::Error>(bytes + mirrors.remove(id)?))
    });
    let removed = removed.await.map_err(|error| error.to_string())?;
    let removed = removed.map_err(|error| format!("let go of a mirror: {error}"))?;
    // What is not ours (any more) is not asked for.
    let known = on_engine(builder).await?;
    let ids: Vec<&str> = ids
        .iter()
        .filter(|id| known.iter().any(|record| record.id == **id))
        .map(CacheId::as_str)
        .collect();
    if ids.is_empty() {
        return Ok(removed);
    }
    // The engine takes one value, as a regular expression.
    let filters = serde_json::json!({ "id": [format!("\"^({})$\"", ids.join("|"))] }).to_string();
    let ask = async {
        let version = builder.engine.greet().await?;
        builder.engine.for_build(&version).prune(&filters).await
    };
    let said = timeout(WITHIN, ask).await.map_err(|_| "the engine does not answer".to_owned())?;
    let said = said.map_err(|error| format!("let go of build cache: {error}"))?;
    let pruned: Pruned = serde_json::from_slice(&said)
        .map_err(|error| format!("read what the engine let go of: {error}"))?;
    Ok(removed + u64::try_from(pruned.space_reclaimed).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_while_it_built_for_us_is_ours() {
        let record = |id: &str, created: &str, more: &str| {
            format!(
                "{{\"ID\":\"{id}\",\"CreatedAt\":\"1970-01-01T00:00:{created}Z\",\"Size\":7{more}}}"
            )
        };
        let list = [
            record("before", "00.9", ""),
            record("first", "01.5", ",\"LastUsedAt\":\"1970-01-01T00:01:00Z\""),
            record("overlapped", "03.5", ""),
            record("later", "04.5", ",\"Shared\":true,\"LastUsedAt\":null"),
            record("NO/id", "01.5", ""),
        ]
        .join(",");
        let spans = [(1_000, 5_000), (1_200, 3_000), (7_000, 8_000)]
            .map(|(from, until)| (Timestamp(from), Timestamp(until)));
        for (said, expected) in [
            (format!("{{\"BuildCache\":[{list}]}}"), 3),
            (format!("{{\"BuildCacheUsage\":{{\"Items\":[{list}]}}}}"), 3),
            ("{\"BuildCache\":null}".to_owned(), 0),
        ] {
            let found = ours(serde_json::from_str(&said).unwrap(), &spans);
            assert_eq!(found.len(), expected, "{said}");
        }
        let said = format!("{{\"BuildCache\":[{list}]}}");
        let found = ours(serde_json::from_str(&said).unwrap(), &spans[2..]);
        assert_eq!(found, [], "none was made then");
        let found = ours(serde_json::from_str(&said).unwrap(), &spans);
        let shown: Vec<_> =
            found.iter().map(|r| (r.id.as_str(), r.bytes, r.used_at.0, r.in_use)).collect();
        let expected = [
            ("overlapped", 7, 3_500, false),
            ("later", 0, 4_500, true),
            ("first", 7, 60_000, false),
        ];
        assert_eq!(shown, expected);
    }
}
