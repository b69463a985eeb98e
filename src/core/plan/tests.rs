mod gate;
mod servers;

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::desired::{DesiredHost, DesiredState, Removed};
use crate::core::model::*;
use crate::core::retention::Cause;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-23T10:00:00Z")
}

fn policy(keep: &str) -> Policy {
    Policy::of(keep.parse().unwrap())
}

fn settings(keep: Option<&str>) -> HostSettings {
    let mut settings = HostSettings::at(Value::Literal("192.0.2.1".parse().unwrap()));
    settings.sources = vec!["/etc".parse().unwrap()];
    settings.retention = keep.map(policy);
    settings
}

fn wanted(name: &str, keep: Option<&str>) -> DesiredHost {
    DesiredHost {
        name: name.parse().unwrap(),
        was: None,
        at: "pobsync.kdl:7".into(),
        settings: settings(keep),
        origins: BTreeMap::new(),
    }
}

fn file(hosts: Vec<DesiredHost>) -> DesiredState {
    DesiredState {
        global: GlobalSettings::default(),
        global_at: Some("pobsync.kdl:2".into()),
        hosts,
        removed: vec![],
    }
}

fn row(id: i64, name: &str, keep: Option<&str>) -> SqlHost {
    let settings = settings(keep);
    SqlHost {
        id: HostId(id),
        name: name.parse().unwrap(),
        directory: name.parse().unwrap(),
        managed_by: ManagedBy::Kdl,
        applied: Some(settings.clone()),
        approved_policy: settings.retention.as_ref().map(Policy::fingerprint),
        settings,
        retired: None,
        pause: None,
        changed_at: at("2026-01-01T00:00:00Z"),
        changed_by: "alice".into(),
    }
}

fn sql(hosts: Vec<SqlHost>) -> SqlState {
    let settings = GlobalSettings::default();
    SqlState {
        lineage: Lineage::from_random([1; 16]),
        serial: Serial(5),
        global: Some(SqlGlobal {
            managed_by: ManagedBy::Kdl,
            applied: Some(settings.clone()),
            settings,
            changed_at: at("2026-01-01T00:00:00Z"),
            changed_by: "alice".into(),
        }),
        hosts,
    }
}

/// `n` complete scheduled snapshots, one a day, the newest on 22 November.
fn nightly(n: i64) -> Vec<Snapshot> {
    let newest = at("2026-11-22T02:15:00Z").millis();
    (0..n)
        .map(|i| {
            let started_at = Timestamp::from_millis(newest - i * 86_400_000);
            Snapshot {
                id: SnapshotId(i),
                name: SnapshotName::new(started_at, [1, 2, 3, 4, 5, 6]),
                kind: SnapshotKind::Scheduled,
                status: SnapshotStatus::Complete,
                started_at,
                finished_at: None,
                base: None,
                bytes: Some(1 << 30),
                files: Some(10),
                hold: None,
                suspect: false,
                live: false,
            }
        })
        .collect()
}

type Snapshots = BTreeMap<HostId, Vec<Snapshot>>;

static NOTHING_MEASURED: BTreeMap<HostId, String> = BTreeMap::new();

fn planner<'a>(state: &'a SqlState, snapshots: &'a Snapshots, allow: &'a [Allow]) -> Planner<'a> {
    Planner {
        state,
        snapshots: Cow::Borrowed(snapshots),
        usage: &NOTHING_MEASURED,
        elsewhere: &[],
        only: None,
        root: RootFacts::default(),
        as_of: now(),
        created_at: now(),
        selection: Selection::default(),
        allow,
        version: "0.0.0",
    }
}

fn plan(desired: &DesiredState, state: &SqlState, snapshots: &Snapshots) -> Plan {
    planner(state, snapshots, &[])
        .against(desired, Source::default())
        .unwrap()
}

fn clock() -> ClockFacts {
    ClockFacts {
        now: now(),
        last_seen: Some(at("2026-11-23T09:00:00Z")),
    }
}

/// The retention plan in force of the only host.
fn in_force(state: &SqlState, snapshots: &Snapshots) -> RetentionPlan {
    planner(state, snapshots, &[])
        .in_force(&[&state.hosts[0]])
        .unwrap()
        .retention
        .remove(0)
}

fn guards(error: &GateError) -> Vec<&str> {
    match error {
        GateError::Refused { refusals } => refusals.iter().map(|r| r.guard.as_str()).collect(),
        GateError::ApprovalMissing { .. } => vec!["approval"],
    }
}

fn open(
    authority: Authority,
    state: &SqlState,
    snapshots: &Snapshots,
) -> Result<DeletionOrder, GateError> {
    authorise(
        authority,
        &in_force(state, snapshots),
        PlanId(1),
        state,
        &[],
        clock(),
    )
}

#[test]
fn the_same_state_is_no_plan() {
    let state = sql(vec![row(1, "web", Some("last=3"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(3))]);
    let plan = plan(
        &file(vec![wanted("web", Some("last=3"))]),
        &state,
        &snapshots,
    );
    assert_eq!(plan.outcome, Outcome::NoChanges);
    assert_eq!(
        (
            plan.changes.len(),
            plan.summary.deletions(),
            plan.refusals.len()
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_shorter_policy_lists_what_dies_of_it_and_by_which_rule_it_lived() {
    let state = sql(vec![row(1, "web", Some("daily=5"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(7))]);
    let plan = plan(
        &file(vec![wanted("web", Some("daily=2"))]),
        &state,
        &snapshots,
    );
    assert_eq!(plan.outcome, Outcome::ChangesDelete);
    assert_eq!(plan.outcome.exit_code(true), 3);
    let counts = plan.retention[0].totals.delete_by_reason;
    assert_eq!((counts.expired, counts.policy_change), (2, 3));
    assert_eq!(plan.summary.delete_by_change, 3);
    let first = plan.retention[0]
        .delete
        .iter()
        .find(|d| d.reason == Cause::PolicyChange)
        .unwrap();
    assert_eq!(
        first
            .previously_kept_by
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["daily"]
    );
}

#[test]
fn what_expires_anyway_is_no_change() {
    let state = sql(vec![row(1, "web", Some("daily=2"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(4))]);
    let plan = plan(
        &file(vec![wanted("web", Some("daily=2"))]),
        &state,
        &snapshots,
    );
    assert_eq!(
        (plan.outcome, plan.summary.deletions()),
        (Outcome::NoChanges, 2)
    );
}

#[test]
fn what_a_policy_in_force_would_delete_once_an_apply_approves_it_goes_by_this_change() {
    let mut host = row(1, "web", Some("daily=2"));
    host.approved_policy = None;
    let state = sql(vec![host]);
    let snapshots = Snapshots::from([(HostId(1), nightly(140))]);
    let desired = file(vec![wanted("web", Some("daily=2"))]);
    let found = plan(&desired, &state, &snapshots);
    assert_eq!(found.changes, []);
    assert_eq!(
        (found.outcome, found.summary.delete_by_change),
        (Outcome::ChangesDelete, 138)
    );
    assert!(
        found
            .refusals
            .iter()
            .any(|r| r.guard == "max-fleet-delete-percent")
    );
    // No file, no approval.
    let host = &state.hosts[0];
    let shown = planner(&state, &snapshots, &[]).in_force(&[host]).unwrap();
    assert_eq!(shown.summary.delete_by_change, 0);
    // What this file does not have it does not approve.
    let mut state = state.clone();
    state.hosts[0].managed_by = ManagedBy::Cli;
    let other = plan(&file(vec![wanted("db", None)]), &state, &snapshots);
    assert_eq!(other.summary.delete_by_change, 0);
}

#[test]
fn the_new_policy_of_a_paused_host_is_not_approved_unseen() {
    let mut host = row(1, "web", Some("daily=5"));
    host.pause = Some(Pause {
        at: now(),
        by: "bob".into(),
        reason: String::new(),
    });
    let mut state = sql(vec![host]);
    let snapshots = Snapshots::from([(HostId(1), nightly(7))]);
    let shown = |state: &SqlState, keep, enabled| {
        let mut desired = file(vec![wanted("web", Some(keep))]);
        desired.hosts[0].settings.enabled = enabled;
        let plan = plan(&desired, state, &snapshots);
        (plan.summary.deletions(), plan.approvals(&desired).len())
    };
    assert_eq!(shown(&state, "daily=1", true), (0, 0));
    assert_eq!(shown(&state, "daily=1", false), (0, 0));
    assert_eq!(shown(&state, "daily=5", true), (0, 1), "seen before");
    state.hosts[0].pause = None;
    assert_eq!(shown(&state, "daily=1", true), (6, 1));
}

#[test]
fn a_removed_host_loses_its_snapshots_only_on_purpose() {
    let state = sql(vec![row(1, "web", Some("last=9"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(4))]);
    let mut desired = file(vec![wanted("other", None)]);
    assert_eq!(plan(&desired, &state, &snapshots).summary.deletions(), 0);
    desired.removed = vec![Removed {
        name: "web".parse().unwrap(),
        snapshots: SnapshotsOnRemoval::Delete,
        at: "pobsync.kdl:9".into(),
    }];
    let plan = plan(&desired, &state, &snapshots);
    assert_eq!(plan.summary.delete_by_reason.host_removed, 4);
    assert_eq!(
        (plan.outcome, plan.summary.delete_by_change),
        (Outcome::ChangesDelete, 4)
    );
    assert!(
        plan.retention
            .iter()
            .any(|r| r.retired && r.host.as_str() == "web")
    );
}

#[test]
fn the_fingerprint_is_of_the_configuration_and_not_of_the_night_between() {
    let state = sql(vec![row(1, "web", Some("daily=5"))]);
    let desired = file(vec![wanted("web", Some("daily=2"))]);
    let today = plan(
        &desired,
        &state,
        &Snapshots::from([(HostId(1), nightly(7))]),
    );
    let tomorrow = plan(
        &desired,
        &state,
        &Snapshots::from([(HostId(1), nightly(9))]),
    );
    assert_eq!(today.fingerprint, tomorrow.fingerprint);
    assert_ne!(today.deletions_fingerprint, tomorrow.deletions_fingerprint);
    let other = plan(
        &file(vec![wanted("web", Some("daily=3"))]),
        &state,
        &Snapshots::new(),
    );
    assert_ne!(today.fingerprint, other.fingerprint);
}

#[test]
fn an_edited_plan_is_found_out() {
    let state = sql(vec![row(1, "web", Some("daily=5"))]);
    let desired = file(vec![wanted("web", Some("daily=2"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(7))]);
    let saved = plan(&desired, &state, &snapshots).saved(desired);
    let text = serde_json::to_string(&saved).unwrap();
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, saved);
    assert!(read.is_intact());
    let mut edited = read.clone();
    edited.desired.as_mut().unwrap().hosts[0].settings.protect = true;
    assert!(!edited.is_intact());
    let mut edited = read.clone();
    edited.retention[0].delete.pop();
    assert!(!edited.is_intact());
    let mut edited = read;
    edited.allow.push(Allow::Empty);
    assert!(
        !edited.is_intact(),
        "a limit lifted afterwards was not reviewed"
    );
}

#[test]
fn an_empty_file_a_fleet_leaving_and_a_fleet_losing_snapshots_are_refused() {
    let hosts: Vec<SqlHost> = (0..12)
        .map(|i| row(i, &format!("web-{i:02}"), Some("daily=20")))
        .collect();
    let snapshots: Snapshots = (0..12).map(|i| (HostId(i), nightly(10))).collect();
    let state = sql(hosts);
    let names = |plan: &Plan| -> Vec<String> {
        plan.refusals_of(RefusalScope::Apply)
            .map(|r| r.guard.clone())
            .collect()
    };
    assert_eq!(
        names(&plan(&file(vec![]), &state, &snapshots)),
        ["empty-desired-state", "max-retire-percent"]
    );

    let keep = |n: usize, keep: &str| {
        file(
            (0..n)
                .map(|i| wanted(&format!("web-{i:02}"), Some(keep)))
                .collect(),
        )
    };
    assert_eq!(
        names(&plan(&keep(10, "daily=20"), &state, &snapshots)),
        Vec::<String>::new()
    );
    assert_eq!(
        names(&plan(&keep(9, "daily=20"), &state, &snapshots)),
        ["max-retire-percent"]
    );
    // Every host of the fleet loses a little.
    let salami = keep(12, "daily=7");
    let refused = plan(&salami, &state, &snapshots);
    assert_eq!(names(&refused), ["max-fleet-delete-percent"]);
    assert_eq!(refused.refusals[0].lift, "--allow fleet-delete:36");
    let lifted = planner(&state, &snapshots, &[Allow::FleetDelete { at_most: 36 }]);
    assert_eq!(
        names(&lifted.against(&salami, Source::default()).unwrap()),
        Vec::<String>::new()
    );
    let too_little = planner(&state, &snapshots, &[Allow::FleetDelete { at_most: 35 }]);
    assert_eq!(
        names(&too_little.against(&salami, Source::default()).unwrap()),
        ["max-fleet-delete-percent"]
    );
}

#[test]
fn a_looser_guard_does_not_count_for_the_change_that_brings_it() {
    let state = sql(vec![row(1, "web", Some("daily=40"))]);
    let snapshots = Snapshots::from([(HostId(1), nightly(40))]);
    let mut desired = file(vec![wanted("web", Some("daily=5"))]);
    desired.global.guard.max_delete = 1000;
    desired.global.guard.max_delete_percent = Percent::clamped(100);
    // The next night would have the looser limits, so that the change itself is refused.
    let refused: Vec<String> = plan(&desired, &state, &snapshots)
        .refusals_of(RefusalScope::Apply)
        .map(|r| format!("{} {:?}", r.guard, r.limit))
        .collect();
    assert_eq!(
        refused,
        ["max-delete Some(25)", "max-delete-percent Some(30)"]
    );
    // A limit that still stands after the change stands against the prune alone.
    desired.global.guard.max_delete_percent = Percent::clamped(30);
    let scopes: Vec<(String, RefusalScope)> = plan(&desired, &state, &snapshots)
        .refusals
        .into_iter()
        .map(|r| (r.guard, r.scope))
        .collect();
    let expected = [
        ("max-delete".to_owned(), RefusalScope::Apply),
        ("max-delete-percent".to_owned(), RefusalScope::Prune),
    ];
    assert_eq!(scopes, expected);
}

#[test]
fn a_root_in_use_does_not_move_by_a_typing_error() {
    let mut state = sql(vec![]);
    let global = state.global.as_mut().unwrap();
    global.settings.backup_root = Some("/mnt/a".parse().unwrap());
    let snapshots = Snapshots::new();
    let mut desired = file(vec![]);
    desired.global.backup_root = Some("/mnt/b".parse().unwrap());
    let mut planner = planner(&state, &snapshots, &[]);
    let refused = |planner: &Planner<'_>| {
        planner
            .clone()
            .against(&desired, Source::default())
            .unwrap()
            .refusals
            .len()
    };
    assert_eq!(
        refused(&planner),
        0,
        "nothing is on a root that was never in use"
    );
    planner.root.is_in_use = true;
    assert_eq!(refused(&planner), 1);
    planner.root.found_at = Some("/mnt/b".parse().unwrap());
    assert_eq!(refused(&planner), 0);
}
