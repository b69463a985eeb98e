//! Random sequences of what people, schedules, crashes and clocks do, on the real program, against a simple model of what
//! may be deleted. Every step is followed by the checker, which reads SQL and disk.
//!
//! One sequence comes from one seed. A failure is cut down to the fewest steps that still fail, and printed as a script.
//!
//! ```text
//! tests/model/run STEPS [SEED]        as many steps as you like; a part of it runs with all tests
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "model/belief.rs"]
mod belief;
#[path = "model/calls.rs"]
mod calls;
#[path = "model/desired.rs"]
mod desired;
#[path = "model/hands.rs"]
mod hands;
#[path = "model/judge.rs"]
mod judge;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/shrink.rs"]
mod shrink;
#[path = "model/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::process::Command;

use ops::{Op, Random};
use world::World;

/// Long enough for old plans, old databases and many nights; short enough to be cut down.
const LENGTH: usize = 150;

/// What broke, after how many steps, and what had been done.
struct Failure {
    step: usize,
    broken: Vec<String>,
    log: Vec<String>,
}

fn play(ops: &[Op], preload: &str, figures: &mut BTreeMap<String, u64>) -> Option<Failure> {
    let mut world = World::new(preload);
    let mut failure = None;
    for (step, op) in ops.iter().enumerate() {
        *figures.entry("steps".to_owned()).or_default() += 1;
        let broken = world.step(op);
        if !broken.is_empty() {
            failure = Some(Failure {
                step,
                broken,
                log: world.log.clone(),
            });
            break;
        }
    }
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{}", world.log.join("\n"));
    }
    for (what, n) in &world.figures {
        *figures.entry(what.clone()).or_default() += n;
    }
    failure
}

/// Where the library lies that gives the program a clock of its own.
fn preload() -> String {
    // It fails where a process with the same number was killed and left its semaphore.
    for _ in 0..20 {
        let said = Command::new("faketime")
            .args(["-f", "+0", "printenv", "LD_PRELOAD"])
            .output()
            .expect("faketime is installed by tests/run");
        let path = String::from_utf8(said.stdout).unwrap().trim().to_owned();
        if said.status.success() && !path.is_empty() {
            return path;
        }
    }
    panic!("faketime does not work here");
}

fn run(seed: u64, steps: usize, figures: &mut BTreeMap<String, u64>) {
    let preload = preload();
    let ops = Random::new(seed).sequence(steps);
    let Some(failure) = play(&ops, &preload, figures) else {
        return;
    };
    eprintln!(
        "seed {seed} fails at step {}: {:#?}",
        failure.step, failure.broken
    );
    eprintln!(
        "the last of what was done:\n{}",
        failure.log[failure.log.len().saturating_sub(12)..].join("\n")
    );
    let is_same = |other: &Failure| shrink::same(&failure.broken, &other.broken);
    let few = shrink::shrink(ops[..=failure.step].to_vec(), |ops| {
        play(ops, &preload, &mut BTreeMap::new()).is_some_and(|other| is_same(&other))
    });
    let again = play(&few, &preload, &mut BTreeMap::new());
    let (broken, log) = again.map_or((failure.broken, failure.log), |f| (f.broken, f.log));
    panic!(
        "seed {seed} breaks a promise; what is left of {} steps:\n{few:#?}\n--- what was done\n{}\n--- what is broken\n{broken:#?}",
        failure.step + 1,
        log.join("\n")
    );
}

/// `STEPS` and `SEED` of the environment, else a slice that takes less than a minute: one seed that stays and one that
/// does not.
#[test]
fn nothing_goes_that_no_plan_listed_or_that_a_rule_keeps() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect(name))
    };
    let anew = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) % 1_000_000;
    let mut figures = BTreeMap::new();
    match number("STEPS") {
        None => {
            for seed in [1, number("SEED").unwrap_or_else(anew)] {
                eprintln!("seed {seed}");
                run(seed, 120, &mut figures);
            }
        }
        Some(steps) => {
            let first = number("SEED").unwrap_or_else(anew);
            for n in 0..steps.div_ceil(LENGTH as u64) {
                eprintln!("seed {}: {} steps so far", first + n, n * LENGTH as u64);
                run(first + n, LENGTH, &mut figures);
            }
        }
    }
    println!("{figures:#?}");
}
