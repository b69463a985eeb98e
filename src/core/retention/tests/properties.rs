//! What holds for any snapshots under any policy.

use super::*;

fn now() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

proptest! {
    #[test]
    fn the_newest_complete_held_and_running_ones_never_go(all in any_snapshots(40), policy in any_policy()) {
        let gone = deleted(&ask(&all, &policy, now()));
        let newest = all.iter().filter(|s| s.status == SnapshotStatus::Complete).max_by_key(|s| (s.started_at, &s.name));
        prop_assert!(newest.is_none_or(|s| !gone.contains(&s.id)));
        for s in &all {
            let is_pinned = s.hold.is_some() || s.live;
            prop_assert!(!is_pinned || !gone.contains(&s.id));
        }
    }

    #[test]
    fn keeps_and_deletions_are_all_there_is_on_disk(all in any_snapshots(40), policy in any_policy()) {
        let mut decided: Vec<i64> =
            plan_host(&ask(&all, &policy, now())).unwrap().decisions.iter().map(|d| d.snapshot.id.0).collect();
        decided.sort_unstable();
        let mut on_disk: Vec<i64> = all.iter().filter(|s| s.status.is_on_disk()).map(|s| s.id.0).collect();
        on_disk.sort_unstable();
        prop_assert_eq!(decided, on_disk);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(all in any_snapshots(40), policy in any_policy(), seed in any::<u64>()) {
        let mut shuffled = all.clone();
        let n = shuffled.len().max(1) as u64;
        for i in 0..shuffled.len() {
            shuffled.swap(i, ((seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64)) % n) as usize);
        }
        prop_assert_eq!(
            plan_host(&ask(&all, &policy, now())).unwrap(),
            plan_host(&ask(&shuffled, &policy, now())).unwrap()
        );
    }

    #[test]
    fn an_older_snapshot_changes_no_verdict_of_last_or_within(all in any_snapshots(30), policy in any_policy()) {
        let count = |all: &[Snapshot]| -> Vec<(i64, Vec<Reason>)> {
            let of = |reason: &&Reason| matches!(reason, Reason::Rule(Rule::Last) | Reason::Within(_));
            plan_host(&ask(all, &policy, now()))
                .unwrap()
                .decisions
                .into_iter()
                .filter(|d| d.snapshot.id.0 != 999)
                .map(|d| match d.verdict {
                    Verdict::Keep { reasons, .. } => (d.snapshot.id.0, reasons.iter().filter(of).cloned().collect()),
                    Verdict::Delete { .. } => (d.snapshot.id.0, vec![]),
                })
                .collect()
        };
        let mut more = all.clone();
        more.push(scheduled(999, "2020-01-01T00:00:00Z"));
        prop_assert_eq!(count(&all), count(&more));
    }

    #[test]
    fn what_was_kept_is_kept_again(all in any_snapshots(40), policy in any_policy()) {
        let mut policy = policy;
        // Guarding goes one step: what was only a base lets go of its own base the next time.
        policy.protect_bases = false;
        let gone = deleted(&ask(&all, &policy, now()));
        let left: Vec<Snapshot> = all.into_iter().filter(|s| !gone.contains(&s.id)).collect();
        prop_assert_eq!(deleted(&ask(&left, &policy, now())), vec![]);
    }

    /// The answer by rules against the answer by planning every night until the snapshot goes.
    #[test]
    fn the_day_a_snapshot_expires_is_the_day_it_would_go(
        days in proptest::collection::btree_set(0_i64..60, 1..14),
        policy in any_policy(),
        step in 6_i64..40,
        month in 1_u32..13,
    ) {
        let start = at(&format!("2026-{month:02}-01T01:00:00Z")).millis();
        let hour = 3_600_000;
        let mut all: Vec<Snapshot> = days
            .iter()
            .enumerate()
            .map(|(i, day)| {
                let time = Timestamp::from_millis(start + day * 13 * hour);
                snapshot(i as i64, time, SnapshotKind::Scheduled, SnapshotStatus::Complete)
            })
            .collect();
        let last = all.last().unwrap().started_at;
        let upcoming: Vec<Timestamp> =
            (1..120).map(|n| Timestamp::from_millis(last.millis() + n * step * hour)).collect();
        let mut policy = policy;
        policy.protect_bases = false;
        let first = upcoming[0];
        let begin = ask(&all, &policy, last);
        let gone = deleted(&begin);
        let question = Question { upcoming: &upcoming, ..begin };
        let said: BTreeMap<i64, Option<chrono::NaiveDate>> = plan_host(&question)
            .unwrap()
            .decisions
            .into_iter()
            .filter_map(|d| match d.verdict {
                Verdict::Keep { expires_on, .. } => Some((d.snapshot.id.0, expires_on)),
                Verdict::Delete { .. } => None,
            })
            .collect();
        prop_assert!(first > last);
        all.retain(|s| !gone.contains(&s.id));
        let mut went: BTreeMap<i64, chrono::NaiveDate> = BTreeMap::new();
        for (n, fire) in upcoming.iter().enumerate() {
            all.push(snapshot(1_000 + n as i64, *fire, SnapshotKind::Scheduled, SnapshotStatus::Complete));
            for id in deleted(&ask(&all, &policy, *fire)) {
                went.insert(id.0, fire.utc().with_timezone(&policy.timezone).date_naive());
                all.retain(|s| s.id != id);
            }
        }
        for (id, said) in said {
            prop_assert_eq!(said, went.get(&id).copied(), "snapshot {}", id);
        }
    }
}

#[test]
fn every_zone_of_the_world_gets_through_its_clock_changes() {
    let all: Vec<Snapshot> = (0..400)
        .map(|i| {
            let time =
                Timestamp::from_millis(at("2025-12-20T00:30:00Z").millis() + i * 3_600_000 * 23);
            snapshot(i, time, SnapshotKind::Scheduled, SnapshotStatus::Complete)
        })
        .collect();
    let mut policy = policy(
        "hourly=5 daily=7 weekly=5 monthly=12 quarterly=3 yearly=2 within=1m within-daily=2m",
    );
    for zone in chrono_tz::TZ_VARIANTS {
        policy.timezone = zone;
        let found = plan_host(&ask(&all, &policy, at("2027-06-01T00:00:00Z"))).unwrap();
        assert_eq!(found.decisions.len(), all.len(), "{zone}");
    }
}
