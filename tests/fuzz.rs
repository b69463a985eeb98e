//! Everything that reads what others wrote, fed with what nobody would write: nothing panics, takes more than a second, or
//! takes more memory than it should.
//!
//! ```text
//! cargo test --locked --test fuzz                                     a few seconds each, as with all tests
//! POBSYNC_FUZZ_SECONDS=600 cargo test --locked --test fuzz -- --nocapture
//! POBSYNC_FUZZ=kdl POBSYNC_FUZZ_INPUT=FILE cargo test …               one input of one target
//! ```
//!
//! `tests/fuzz/corpus/TARGET/` holds what it begins with. Inputs that come to something new (another mistake, another
//! answer) are bred on. Each input lies in a file before it is tried, so that one that ends the process is there too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/breed.rs"]
mod breed;
#[path = "fuzz/targets.rs"]
mod targets;
#[path = "fuzz/watch.rs"]
mod watch;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use breed::Breeder;
use targets::{TARGETS, Target};
use watch::{Costs, Watch};

/// What all targets take together where nobody says how long.
const SECONDS: u64 = 30;

#[test]
fn nothing_that_others_wrote_breaks_what_reads_it() {
    let only = std::env::var("POBSYNC_FUZZ").ok();
    let meant = |target: &&Target| only.as_deref().is_none_or(|only| only == target.name);
    let meant: Vec<&Target> = TARGETS.iter().filter(meant).collect();
    assert!(!meant.is_empty(), "there is no such target");
    if let Ok(input) = std::env::var("POBSYNC_FUZZ_INPUT") {
        let input = std::fs::read(input).unwrap();
        for target in meant {
            let begun = Costs::begin();
            let said = (target.read)(&input);
            println!("{}: {:?}: {}", target.name, begun.end(), said);
        }
        return;
    }
    let seconds = std::env::var("POBSYNC_FUZZ_SECONDS").ok();
    let each = match seconds {
        Some(seconds) => Duration::from_secs(seconds.parse().unwrap()),
        None => Duration::from_secs(SECONDS) / u32::try_from(TARGETS.len()).unwrap(),
    };
    let found: Vec<String> = meant
        .into_iter()
        .flat_map(|target| fuzz(target, each))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// What was found, a line each.
fn fuzz(target: &Target, time: Duration) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target.name);
    let mut breeder = Breeder::new(&folder, target.words);
    let watch = Watch::of(target.name);
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let (mut tried, mut slowest, mut largest) = (0_u64, Duration::ZERO, 0);
    let begun = Instant::now();
    let mut first = breeder.corpus().into_iter();
    // What it begins with is tried whatever the time.
    while first.len() > 0 || begun.elapsed() < time {
        let input = first.next().unwrap_or_else(|| breeder.breed());
        watch.begins(&input);
        let costs = Costs::begin();
        let said = catch_unwind(AssertUnwindSafe(|| (target.read)(&input)));
        let (took, grown) = costs.end();
        watch.ends();
        tried += 1;
        slowest = slowest.max(took);
        largest = largest.max(grown);
        let wrong = match &said {
            Err(_) => Some("panics".to_owned()),
            Ok(_) if took > watch::LONGEST => Some(format!("takes {took:?}")),
            Ok(_) if grown > watch::LARGEST => Some(format!("takes {} MiB", grown >> 20)),
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            found.push(format!("{} {wrong}: {}", target.name, watch.keep(&input)));
            if found.len() > 5 {
                break;
            }
        }
        if said.is_ok_and(|said| seen.insert(said)) {
            breeder.learn(input);
        }
    }
    println!(
        "{}: {tried} inputs, {} outcomes, slowest {slowest:?}, largest {} MiB, {} found",
        target.name,
        seen.len(),
        largest >> 20,
        found.len()
    );
    found
}
