//! What is measured within one process; `tests/bench/run` calls it.
//!
//! `floors parse FILE…` parses each file with the KDL library and does nothing with it: what every plan would cost at
//! least if it parsed them all. `floors decide SNAPSHOTS PAIRS` decides on so many snapshots of one host, with all
//! reasons and days of expiry, and sorts as many times, in turn.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use pobsync::core::model::{
    CronText, Policy, Schedule, Snapshot, SnapshotId, SnapshotKind, SnapshotName, SnapshotStatus,
    Span, Timestamp,
};
use pobsync::core::retention::{Mode, Question, Side, plan_host};
use pobsync::core::schedule::upcoming;

/// 24 November 2026, 02:15 UTC.
const NEWEST: i64 = 1_795_486_500_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["parse", ref files @ ..] => parse(files),
        ["decide", snapshots, pairs] => decide(snapshots.parse().unwrap(), pairs.parse().unwrap()),
        // `cargo bench` calls it without any of them.
        _ => println!("parse FILE… | decide SNAPSHOTS PAIRS"),
    }
}

fn parse(files: &[&str]) {
    let mut nodes = 0;
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        nodes += kdl::KdlDocument::parse_v2(&text).unwrap().nodes().len();
    }
    println!("{nodes} nodes");
}

fn decide(count: usize, pairs: usize) {
    let snapshots: Vec<Snapshot> = mixed(count)
        .into_iter()
        .map(|i| hourly(i64::try_from(i).unwrap()))
        .collect();
    let times: Vec<Timestamp> = snapshots.iter().map(|s| s.started_at).collect();
    let policy = Policy::of(
        "last=3 hourly=48 daily=14 weekly=8 monthly=12 yearly=5"
            .parse()
            .unwrap(),
    );
    let now = Timestamp::from_millis(NEWEST + 3_600_000);
    let schedule = Schedule {
        name: None,
        cron: "15 * * * *".parse::<CronText>().unwrap(),
        timezone: chrono_tz::Tz::UTC,
        jitter: Span::from_seconds(0),
        prune: true,
    };
    let fires = upcoming(&[schedule], now, 2_200, Span::from_hours(24 * 366 * 6));
    let side = Side {
        policy: Some(&policy),
        mode: Mode::Active,
    };
    let question = Question {
        snapshots: &snapshots,
        in_force: side,
        proposed: side,
        kinds: None,
        now,
        upcoming: &fires,
    };
    let mut decided = Vec::new();
    let mut sorted = Vec::new();
    for _ in 0..pairs {
        let began = Instant::now();
        let answer = plan_host(black_box(&question)).unwrap();
        assert_eq!(answer.decisions.len(), count);
        drop(black_box(answer));
        decided.push(began.elapsed());
        let mut copy = black_box(&times).clone();
        let began = Instant::now();
        copy.sort_unstable();
        black_box(copy);
        sorted.push(began.elapsed());
    }
    let (ours, least, most) = figures(&mut decided);
    let (theirs, floor_least, floor_most) = figures(&mut sorted);
    println!(
        "{:<20} {:<34} {:7.3}  goal 5      {ours:8.4} s ({least:.4} to {most:.4})  against {theirs:8.4} s ({floor_least:.4} to {floor_most:.4})",
        "decide",
        format!("sorting {count} times"),
        ours / theirs
    );
}

/// Every number below `count` once, in an order that is none and always the same. Steps of one length would leave long runs
/// in order, which a sort finds and hardly touches.
fn mixed(count: usize) -> Vec<usize> {
    // SplitMix64 (Steele, Lea and Flood 2014), and the shuffle of Fisher and Yates.
    let mut state: u64 = 0;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    let mut all: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        let other = random() % (u64::try_from(i).unwrap() + 1);
        all.swap(i, usize::try_from(other).unwrap());
    }
    all
}

/// The snapshot made `hours` before the newest.
fn hourly(hours: i64) -> Snapshot {
    let started_at = Timestamp::from_millis(NEWEST - hours * 3_600_000);
    Snapshot {
        id: SnapshotId(hours),
        name: SnapshotName::new(started_at, *b"bench0"),
        kind: SnapshotKind::Scheduled,
        status: SnapshotStatus::Complete,
        started_at,
        finished_at: Some(started_at),
        base: None,
        bytes: Some(4_000_000_000),
        files: Some(120_000),
        hold: None,
        suspect: false,
        live: false,
    }
}

/// Median, least and most, in seconds.
fn figures(times: &mut [Duration]) -> (f64, f64, f64) {
    times.sort_unstable();
    let at = |i: usize| times.get(i).copied().unwrap_or_default().as_secs_f64();
    (
        at(times.len() / 2),
        at(0),
        at(times.len().saturating_sub(1)),
    )
}
