//! The gate: what may go of a plan, and when nothing may.

use super::*;

#[test]
fn an_unattended_prune_needs_the_approved_policy() {
    let mut state = sql(vec![row(1, "web", Some("daily=3"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(4))]);
    assert!(open(Authority::Unattended, &state, &snapshots).is_ok());
    state.hosts[0].approved_policy = Some(policy("daily=4").fingerprint());
    let refused = open(Authority::Unattended, &state, &snapshots).unwrap_err();
    assert_eq!(refused.outcome().exit_code(false), 14);
    assert!(refused.help().contains("pobsync retention web --approve"));
    assert_eq!(
        guards(&open(Authority::Applied, &state, &snapshots).unwrap_err()),
        ["approval"]
    );
    assert!(open(Authority::ByName { max_delete: None }, &state, &snapshots).is_ok());
}

#[test]
fn the_order_lists_the_oldest_first_and_every_visible_snapshot_that_stays() {
    let state = sql(vec![row(1, "web", Some("daily=3"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(5))]);
    let order = open(Authority::Unattended, &state, &snapshots).unwrap();
    let names: Vec<&str> = order
        .deletions()
        .iter()
        .map(|d| &d.name.as_str()[..8])
        .collect();
    assert_eq!(names, ["20261118", "20261119"]);
    assert_eq!(order.must_be_whole().len(), 3);
}

#[test]
fn limits_hold_for_everyone_but_who_asks_by_name_with_a_number() {
    let state = sql(vec![row(1, "web", Some("daily=10"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(40))]);
    for authority in [Authority::Unattended, Authority::Applied] {
        assert_eq!(
            guards(&open(authority, &state, &snapshots).unwrap_err()),
            ["max-delete", "max-delete-percent"]
        );
    }
    let by_name = |n| open(Authority::ByName { max_delete: n }, &state, &snapshots);
    assert_eq!(guards(&by_name(None).unwrap_err()), ["max-delete"]);
    assert_eq!(guards(&by_name(Some(29)).unwrap_err()), ["max-delete"]);
    assert!(by_name(Some(30)).is_ok());
}

#[test]
fn the_clock_and_suspects_stop_what_nobody_asked_for() {
    let state = sql(vec![row(1, "web", Some("daily=3"))]);
    let mut all = Snapshots::from([(HostId(1), nightly(4))]);
    let plan = in_force(&state, &all);
    let with = |now: &str, last: &str| {
        let facts = ClockFacts {
            now: at(now),
            last_seen: Some(at(last)),
        };
        authorise(Authority::Unattended, &plan, PlanId(1), &state, &[], facts)
    };
    assert_eq!(
        guards(&with("2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z").unwrap_err()),
        ["clock"]
    );
    assert!(with("2026-11-23T10:00:00Z", "2026-11-16T10:00:00Z").is_ok());
    assert_eq!(
        guards(&with("2026-11-23T10:00:01Z", "2026-11-16T10:00:00Z").unwrap_err()),
        ["clock"]
    );
    all.get_mut(&HostId(1)).unwrap()[0].suspect = true;
    assert_eq!(
        guards(&open(Authority::Unattended, &state, &all).unwrap_err()),
        ["suspect"]
    );
    assert_eq!(
        guards(&open(Authority::Applied, &state, &all).unwrap_err()),
        ["suspect"]
    );
    assert!(open(Authority::ByName { max_delete: None }, &state, &all).is_ok());
}

#[test]
fn a_snapshot_from_the_future_stops_every_prune() {
    let state = sql(vec![row(1, "web", Some("daily=3"))]);
    let mut all = nightly(5);
    all[0].started_at = at("2030-01-01T00:00:00Z");
    let all = Snapshots::from([(HostId(1), all)]);
    for authority in [
        Authority::Unattended,
        Authority::Applied,
        Authority::ByName { max_delete: None },
    ] {
        assert_eq!(
            guards(&open(authority, &state, &all).unwrap_err()),
            ["future-snapshot"]
        );
    }
}

#[test]
fn a_saved_plan_goes_stale_by_what_moved_and_not_by_what_came() {
    let mut state = sql(vec![row(1, "web", Some("daily=5"))]);
    let desired = file(vec![wanted("web", Some("daily=2"))]);
    let saved = plan(
        &desired,
        &state,
        &Snapshots::from([(HostId(1), nightly(7))]),
    );
    let moved = |state: &SqlState, rows: Vec<Snapshot>| -> Vec<String> {
        let fresh = plan(
            &desired,
            state,
            &Snapshots::from([(HostId(1), rows.clone())]),
        );
        let rows = std::collections::HashMap::from([("web".parse().unwrap(), rows)]);
        what_moved(&saved, &fresh, state, &rows)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let mut more = nightly(7);
    more.push(Snapshot {
        id: SnapshotId(99),
        started_at: at("2026-11-23T02:15:00Z"),
        name: "new".parse().unwrap(),
        ..more[0].clone()
    });
    assert_eq!(moved(&state, more), Vec::<String>::new());
    let mut pruned = nightly(7);
    pruned[6].status = SnapshotStatus::Deleted;
    assert_eq!(moved(&state, pruned), Vec::<String>::new());
    let mut lost = nightly(7);
    lost[0].status = SnapshotStatus::Missing;
    assert_eq!(
        moved(&state, lost),
        [format!(
            "the scheduled snapshot {} of web was complete, and is missing now",
            nightly(1)[0].name
        )]
    );
    state.serial = Serial(6);
    assert_eq!(
        moved(&state, nightly(7)),
        ["the configuration has changed: serial 5 then, 6 now"]
    );
    state.lineage = Lineage::from_random([2; 16]);
    assert_eq!(moved(&state, nightly(7)).len(), 1);
}

#[test]
fn only_what_was_reviewed_goes_and_only_if_today_lets_it_go() {
    let state = sql(vec![row(1, "web", Some("daily=3"))]);
    let reviewed = in_force(&state, &Snapshots::from([(HostId(1), nightly(5))]));
    let mut today = nightly(6);
    today[4].hold = Some(Box::new(Hold {
        by: "a".into(),
        reason: "b".into(),
        since: now(),
        until: None,
    }));
    let both = intersect(
        &reviewed,
        in_force(&state, &Snapshots::from([(HostId(1), today.clone())])),
    );
    let names: Vec<_> = both.delete.iter().map(|d| d.snapshot.clone()).collect();
    assert_eq!(names, [today[3].name.clone()]);
}

proptest! {
    /// Whatever the policy, the limits and the snapshots: an order never holds a snapshot that the plan keeps or did not
    /// list, never the newest complete or a held one, and never more than the limit.
    #[test]
    fn no_order_goes_beyond_its_plan(
        keep in 1_u32..12, n in 1_i64..60, limit in 0_u32..40, held in proptest::collection::btree_set(0_usize..60, 0..4),
        manual in proptest::collection::btree_set(0_usize..60, 0..6), by_name in any::<bool>(), approved in any::<bool>(),
    ) {
        let mut state = sql(vec![row(1, "web", Some(&format!("daily={keep}")))]);
        state.global.as_mut().unwrap().settings.guard.max_delete = limit;
        if !approved {
            state.hosts[0].approved_policy = None;
        }
        let mut all = nightly(n);
        for (i, s) in all.iter_mut().enumerate() {
            if held.contains(&i) {
                s.hold = Some(Box::new(Hold { by: "a".into(), reason: "b".into(), since: now(), until: None }));
            }
            if manual.contains(&i) {
                s.kind = SnapshotKind::Manual;
            }
        }
        let newest = all[0].name.clone();
        let pinned: Vec<SnapshotName> = all.iter().filter(|s| s.hold.is_some() || s.kind == SnapshotKind::Manual).map(|s| s.name.clone()).collect();
        let snapshots = Snapshots::from([(HostId(1), all)]);
        let plan = in_force(&state, &snapshots);
        let authority = if by_name { Authority::ByName { max_delete: None } } else { Authority::Unattended };
        if let Ok(order) = authorise(authority, &plan, PlanId(1), &state, &[], clock()) {
            prop_assert!(by_name || approved);
            prop_assert!(order.deletions().len() <= limit as usize);
            prop_assert_eq!(order.deletions().len(), plan.delete.len());
            for deletion in order.deletions() {
                prop_assert!(deletion.name != newest && !pinned.contains(&deletion.name));
                prop_assert!(plan.delete.iter().any(|d| d.snapshot == deletion.name));
                prop_assert!(plan.keep.iter().all(|k| k.snapshot != deletion.name));
            }
        }
    }
}
