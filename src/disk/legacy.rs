//! What the older service wrote beside a snapshot, read as far as it goes.
//!
//! This is no YAML parser and never fails: it looks for a handful of keys at the beginning of lines, which is how that
//! service wrote them. What it cannot read is unknown.

use chrono::{DateTime, NaiveDateTime};

use super::handle::Handle;
use crate::core::model::{SnapshotName, SnapshotStatus, Timestamp};

/// More than any such file had.
const LIMIT: u64 = 256 * 1024;

/// What could be read of a legacy `meta.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegacyMeta {
    /// The name in the file; the directory's name is the one that counts.
    pub name: Option<String>,
    /// How far the snapshot had come.
    pub status: Option<SnapshotStatus>,
    /// When its pull began.
    pub started_at: Option<Timestamp>,
    /// When its pull ended.
    pub finished_at: Option<Timestamp>,
    /// The snapshot it was hard-linked against, if it has a name that can be one.
    pub base: Option<SnapshotName>,
}

impl LegacyMeta {
    /// Reads `meta.yaml`, else `meta/meta.yaml`, of a snapshot; nothing if neither can be read.
    pub(super) fn read(snapshot: &Handle) -> Option<Self> {
        let nested = || {
            snapshot
                .child("meta")
                .ok()??
                .read("meta.yaml", LIMIT)
                .ok()?
        };
        let bytes = snapshot
            .read("meta.yaml", LIMIT)
            .ok()
            .flatten()
            .or_else(nested)?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut meta = Self::default();
        let mut block = "";
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = plain(value);
            if line.starts_with([' ', '\t']) {
                if block == "base" && matches!(key.trim(), "path" | "name" | "id" | "dirname") {
                    meta.base = meta.base.or_else(|| snapshot_name(value));
                }
                continue;
            }
            block = key.trim();
            match block {
                "name" | "id" if meta.name.is_none() && !value.is_empty() => {
                    meta.name = Some(value.to_owned());
                }
                "status" => meta.status = status(value),
                "started_at" => meta.started_at = time(value),
                "ended_at" | "finished_at" => meta.finished_at = time(value),
                "base" => meta.base = snapshot_name(value),
                _ => {}
            }
        }
        meta
    }
}

/// A scalar without its quotes; what YAML calls null is empty.
fn plain(value: &str) -> &str {
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| {
        value
            .strip_prefix(*quote)
            .and_then(|rest| rest.strip_suffix(*quote))
    });
    match unquoted {
        Some(text) => text,
        None if matches!(value, "null" | "~" | "None") => "",
        None => value,
    }
}

/// The last component of a name or path, which may end in `data`.
fn snapshot_name(value: &str) -> Option<SnapshotName> {
    let value = value.trim_end_matches('/');
    let value = value.strip_suffix("/data").unwrap_or(value);
    value.rsplit('/').next()?.parse().ok()
}

fn status(word: &str) -> Option<SnapshotStatus> {
    Some(match word.to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "ok" | "complete" | "completed" | "done" => {
            SnapshotStatus::Complete
        }
        "partial" | "warning" => SnapshotStatus::Partial,
        "failed" | "failure" | "error" => SnapshotStatus::Failed,
        "running" | "started" => SnapshotStatus::Running,
        _ => return None,
    })
}

/// ISO times, with or without a zone; without one they are UTC.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc().into());
    }
    const ZONED: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z"];
    const NAIVE: [&str; 4] = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y%m%d-%H%M%SZ",
        "%Y%m%dT%H%M%SZ",
    ];
    let zoned = ZONED
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|time| time.to_utc());
    let naive = NAIVE
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc());
    zoned.or(naive).map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{LegacyMeta, time};
    use crate::core::model::SnapshotStatus;

    #[test]
    fn the_known_keys_are_read_wherever_they_stand() {
        let meta = LegacyMeta::parse(
            "---\nid: 20250101-020000Z__abcdef\nhost: web\nstatus: success\n\
             started_at: '2025-01-01T02:00:00Z'\nended_at: 2025-01-01 02:05:00+00:00\n\
             base:\n  kind: scheduled\n  path: /mnt/b/web/scheduled/20241231-020000Z__aaaaaa\n\
             rsync:\n  status: ignored\n",
        );
        assert_eq!(meta.name.as_deref(), Some("20250101-020000Z__abcdef"));
        assert_eq!(meta.status, Some(SnapshotStatus::Complete));
        assert_eq!(meta.started_at, "2025-01-01T02:00:00Z".parse().ok());
        assert_eq!(meta.finished_at, "2025-01-01T02:05:00Z".parse().ok());
        assert_eq!(meta.base, "20241231-020000Z__aaaaaa".parse().ok());
    }

    #[rstest]
    #[case("base: null", None)]
    #[case("base: 2019-01-01", Some("2019-01-01"))]
    #[case("base: \"../..\"", None)]
    #[case("base: /b/h/manual/x/data/", Some("x"))]
    #[case("  base: indented", None)]
    fn a_base_is_a_name_or_the_end_of_a_path(#[case] text: &str, #[case] want: Option<&str>) {
        let base = LegacyMeta::parse(text).base.map(String::from);
        assert_eq!(base.as_deref(), want);
    }

    #[rstest]
    #[case("2025-06-01T04:00:00+02:00")]
    #[case("2025-06-01 04:00:00+02:00")]
    #[case("2025-06-01T02:00:00.000000")]
    #[case("2025-06-01 02:00:00")]
    #[case("20250601-020000Z")]
    fn times_are_read_in_every_form_that_was_written(#[case] text: &str) {
        assert_eq!(time(text), "2025-06-01T02:00:00Z".parse().ok(), "{text}");
    }

    #[rstest]
    #[case("")]
    #[case(":")]
    #[case("\u{0}: \u{ffff}\n:::\n- a\n\t\n")]
    #[case("status:\nstarted_at: soon\nname: ''")]
    fn nonsense_is_nothing_known(#[case] text: &str) {
        assert_eq!(LegacyMeta::parse(text), LegacyMeta::default());
    }
}
