//! Leases: one holder at a time, and nothing for whoever had one before.

use proptest::prelude::*;

use crate::core::model::{
    Fence, HostId, Label, PlanId, RunId, RunKind, RunStatus, SnapshotId, Span,
};
use crate::store::{
    Lease, LeaseWish, Leased, LostRun, Marking, NewRun, RunEnd, RunFilter, Settled, Store,
    StoreError,
};

use super::support::*;

fn wish(host: HostId, gone: Option<Fence>) -> LeaseWish {
    LeaseWish {
        host,
        server: None,
        process: "p".to_owned(),
        length: Span::from_seconds(120),
        gone,
    }
}

fn ours(leased: Leased) -> Lease {
    match leased {
        Leased::Ours(lease) => lease,
        Leased::Theirs { .. } => panic!("{leased:?}"),
    }
}

/// One that has expired by the time it is looked at.
fn expired(store: &dyn Store, host: HostId) -> Lease {
    let mut wish = wish(host, None);
    wish.length = Span::from_seconds(0);
    ours(store.take_lease(&wish).unwrap())
}

fn run_under(store: &dyn Store, lease: &Lease) -> RunId {
    store
        .begin_run(&NewRun {
            host: lease.host,
            kind: RunKind::Backup,
            started_at: at(1),
            process: "p".to_owned(),
            plan: None,
            log_path: None,
            lease: Some(lease.clone()),
        })
        .unwrap()
}

fn status(store: &dyn Store, run: RunId) -> RunStatus {
    let filter = RunFilter {
        run: Some(run),
        ..RunFilter::default()
    };
    store.runs(&filter, 1).unwrap()[0].run.status
}

fn lost(run: RunId, is_gone: bool) -> LostRun {
    LostRun {
        end: RunEnd {
            run,
            status: RunStatus::Interrupted,
            at: at(20),
            message: "lost".to_owned(),
            cause: None,
        },
        is_gone,
    }
}

#[test]
fn a_host_is_leased_to_one_at_a_time() {
    let store = fresh();
    let web = with_host(&*store);
    let first = ours(store.take_lease(&wish(web, None)).unwrap());
    let Leased::Theirs { fence, .. } = store.take_lease(&wish(web, None)).unwrap() else {
        panic!("leased twice");
    };
    assert_eq!(fence, first.fence);
    assert!(store.renew_lease(&first).unwrap());
    assert!(store.release_lease(&first).unwrap());
    let second = ours(store.take_lease(&wish(web, None)).unwrap());
    assert!(second.fence > first.fence);
    assert!(!store.renew_lease(&first).unwrap(), "an old one is renewed");
    assert!(!store.release_lease(&first).unwrap());
    assert!(store.renew_lease(&second).unwrap());
}

#[test]
fn an_expired_lease_is_ours_until_somebody_takes_it_over() {
    let store = fresh();
    let web = with_host(&*store);
    let first = expired(&*store, web);
    assert!(store.renew_lease(&first).unwrap());
    let second = ours(store.take_lease(&wish(web, None)).unwrap());
    assert!(!store.renew_lease(&first).unwrap());
    assert!(store.renew_lease(&second).unwrap());
}

#[test]
fn two_servers_lease_a_host_each_on_its_own_root() {
    let store = fresh();
    let web = with_host(&*store);
    let of = |server: &str| LeaseWish {
        server: Some(server.parse::<Label>().unwrap()),
        ..wish(web, None)
    };
    let one = ours(store.take_lease(&of("one")).unwrap());
    let two = ours(store.take_lease(&of("two")).unwrap());
    assert!(store.renew_lease(&one).unwrap() && store.renew_lease(&two).unwrap());
}

#[test]
fn who_wakes_up_late_neither_marks_nor_records() {
    let store = fresh();
    let web = with_host(&*store);
    let old = complete(&*store, web, "one");
    let plan = record(&*store, vec![old]);
    let late = expired(&*store, web);
    let run = run_under(&*store, &late);
    let pulled = begin_snapshot(&*store, run, "two");
    let other = ours(store.take_lease(&wish(web, None)).unwrap());

    let marked = store.mark_deleting(old, plan, &late, at(60)).unwrap();
    assert_eq!(marked, Marking::LeaseLost);
    let end = end_of(pulled, Settled::Complete);
    let refused = store.finish_snapshot(&end, Some(&end_of_run(run)));
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    let refused = store.begin_snapshot(&new_snapshot(run, "three"));
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    assert_eq!(
        super::snapshots::get(&*store, pulled)
            .snapshot
            .status
            .as_str(),
        "running"
    );
    assert_eq!(status(&*store, run), RunStatus::Running);

    let marked = store.mark_deleting(old, plan, &other, at(60)).unwrap();
    assert_eq!(marked, Marking::Marked);
    let refused = store.mark_deleted(old, &late, at(61));
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    let refused = store.take_back_deletion(old, &late);
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    assert!(store.mark_deleted(old, &other, at(62)).unwrap());
}

#[test]
fn the_lease_of_one_host_marks_nothing_of_another() {
    let store = fresh();
    let web = with_host(&*store);
    write(&*store, vec![create("db-01")]);
    let db = host(&*store, "db-01").id;
    let id = complete(&*store, web, "one");
    let plan = record(&*store, vec![id]);
    let lease = ours(store.take_lease(&wish(db, None)).unwrap());
    let marked = store.mark_deleting(id, plan, &lease, at(60)).unwrap();
    assert_eq!(marked, Marking::LeaseLost);
}

#[test]
fn a_run_is_settled_once_its_lease_expired_or_its_process_is_gone() {
    let store = fresh();
    let web = with_host(&*store);
    let lease = ours(store.take_lease(&wish(web, None)).unwrap());
    let run = run_under(&*store, &lease);
    assert!(!store.settle_lost_run(&lost(run, false)).unwrap());
    assert!(store.unleased_runs(None).unwrap().is_empty());
    assert!(store.settle_lost_run(&lost(run, true)).unwrap());
    assert!(!store.renew_lease(&lease).unwrap(), "it could go on");
    assert!(!store.settle_lost_run(&lost(run, true)).unwrap());
    let late = store.finish_run(&end_of_run(run));
    assert!(
        matches!(late, Err(StoreError::LeaseLost { .. })),
        "{late:?}"
    );
    assert_eq!(status(&*store, run), RunStatus::Interrupted);

    let late = expired(&*store, web);
    let run = run_under(&*store, &late);
    // Beginning a run is a sign of life.
    assert!(!store.settle_lost_run(&lost(run, false)).unwrap() || late.length.seconds() == 0);
    assert_eq!(status(&*store, run), RunStatus::Interrupted);
}

/// What one of two processes does with a host.
#[derive(Debug, Clone, Copy)]
enum Step {
    Take,
    /// As if the lease of the other had expired, or its process were gone.
    Seize,
    Renew,
    Release,
    Mark(usize),
    Deleted(usize),
    Settle,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        Just(Step::Take),
        Just(Step::Seize),
        Just(Step::Renew),
        Just(Step::Release),
        (0..3_usize).prop_map(Step::Mark),
        (0..3_usize).prop_map(Step::Deleted),
        Just(Step::Settle),
    ];
    (0..2_usize, step)
}

/// A process, as it sees itself: it never learns that it has lost its lease but by asking.
#[derive(Default)]
struct Process {
    lease: Option<Lease>,
    run: Option<RunId>,
}

struct World<'s> {
    store: &'s dyn Store,
    web: HostId,
    plan: PlanId,
    snapshots: Vec<SnapshotId>,
    processes: [Process; 2],
    /// The newest fence there was, and whether it is given out.
    newest: Fence,
    is_given_out: bool,
}

impl World<'_> {
    fn begin(&mut self, who: usize, lease: Lease) {
        assert!(lease.fence > self.newest, "{lease:?}");
        (self.newest, self.is_given_out) = (lease.fence, true);
        let run = run_under(self.store, &lease);
        self.processes[who] = Process {
            lease: Some(lease),
            run: Some(run),
        };
    }

    fn go(&mut self, who: usize, step: Step) {
        let store = self.store;
        match step {
            Step::Take => match store.take_lease(&wish(self.web, None)).unwrap() {
                Leased::Ours(lease) => {
                    assert!(!self.is_given_out);
                    self.begin(who, lease);
                }
                Leased::Theirs { fence, .. } => assert_eq!(fence, self.newest),
            },
            Step::Seize => {
                let lease = store.take_lease(&wish(self.web, Some(self.newest)));
                self.begin(who, ours(lease.unwrap()));
            }
            Step::Settle => {
                let Some(run) = self.processes[1 - who].run else {
                    return;
                };
                let was = status(store, run) == RunStatus::Running;
                assert_eq!(store.settle_lost_run(&lost(run, true)).unwrap(), was);
                let theirs = self.processes[1 - who].lease.as_ref().map(|l| l.fence);
                if was && theirs == Some(self.newest) {
                    (self.newest, self.is_given_out) = (Fence(self.newest.0 + 1), false);
                }
            }
            _ => {
                let Some(lease) = self.processes[who].lease.clone() else {
                    return;
                };
                self.use_lease(&lease, step);
            }
        }
    }

    fn use_lease(&mut self, lease: &Lease, step: Step) {
        let store = self.store;
        let is_ours = lease.fence == self.newest;
        match step {
            Step::Renew => {
                assert_eq!(store.renew_lease(lease).unwrap(), is_ours);
                self.is_given_out |= is_ours;
            }
            Step::Release => {
                assert_eq!(store.release_lease(lease).unwrap(), is_ours);
                self.is_given_out &= !is_ours;
            }
            Step::Mark(n) => {
                let marked = store.mark_deleting(self.snapshots[n], self.plan, lease, at(60));
                assert_eq!(marked.unwrap() != Marking::LeaseLost, is_ours);
                self.is_given_out |= is_ours;
            }
            Step::Deleted(n) => {
                let deleted = store.mark_deleted(self.snapshots[n], lease, at(61));
                assert_eq!(deleted.is_ok(), is_ours);
                self.is_given_out |= is_ours;
            }
            Step::Take | Step::Seize | Step::Settle => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_newest_fence_writes(steps in proptest::collection::vec(step(), 1..40)) {
        let store = fresh();
        let web = with_host(&*store);
        let snapshots: Vec<_> = ["a", "b", "c"].iter().map(|name| complete(&*store, web, name)).collect();
        let mut world = World {
            store: &*store,
            web,
            plan: record(&*store, snapshots.clone()),
            snapshots,
            processes: Default::default(),
            newest: Fence(0),
            is_given_out: false,
        };
        for (who, step) in steps {
            world.go(who, step);
        }
    }
}
