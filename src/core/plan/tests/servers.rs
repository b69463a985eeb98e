//! Hosts of several servers: what each has of a host, and what a move says.

use super::*;

fn label(name: &str) -> Label {
    name.parse().unwrap()
}

fn two_servers() -> GlobalSettings {
    let server = |name: &str, root: &str| ServerSettings {
        name: label(name),
        backup_root: Some(root.parse().unwrap()),
        max_concurrent: None,
    };
    GlobalSettings {
        servers: vec![server("east", "/mnt/east"), server("west", "/mnt/west")],
        ..GlobalSettings::default()
    }
}

fn state(hosts: Vec<SqlHost>) -> SqlState {
    let mut state = sql(hosts);
    if let Some(global) = &mut state.global {
        global.settings = two_servers();
        global.applied = Some(two_servers());
    }
    state
}

fn file_of(mut hosts: Vec<DesiredHost>, server: &str) -> DesiredState {
    for host in &mut hosts {
        host.settings.server = Some(label(server));
    }
    DesiredState {
        global: two_servers(),
        ..file(hosts)
    }
}

fn row_of(server: &str, keep: &str) -> SqlHost {
    let mut row = row(1, "web-01", Some(keep));
    row.settings.server = Some(label(server));
    row.applied = Some(row.settings.clone());
    row
}

fn west_root() -> RootId {
    RootId::from_random([9; 16])
}

fn in_the_west(snapshots: Vec<Snapshot>) -> Vec<Elsewhere> {
    vec![Elsewhere {
        host: HostId(1),
        server: label("west"),
        root: west_root(),
        snapshots,
        usage: None,
    }]
}

fn moves(plan: &Plan) -> Vec<String> {
    plan.moves.iter().map(ToString::to_string).collect()
}

#[test]
fn a_host_that_stays_has_one_plan_that_names_its_server() {
    let state = state(vec![row_of("east", "daily=7")]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(10))]);
    let desired = file_of(vec![wanted("web-01", Some("daily=7"))], "east");
    let plan = plan(&desired, &state, &snapshots);
    assert_eq!(moves(&plan), [""; 0]);
    assert_eq!(plan.outcome, Outcome::NoChanges);
    let [retention] = plan.retention.as_slice() else {
        panic!("{:#?}", plan.retention);
    };
    assert_eq!(retention.server, Some(label("east")));
    assert_eq!(retention.root, None);
}

#[test]
fn without_names_of_servers_a_plan_says_nothing_of_them() {
    let state = sql(vec![row(1, "web-01", Some("daily=7"))]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(10))]);
    let plan = plan(
        &file(vec![wanted("web-01", Some("daily=7"))]),
        &state,
        &snapshots,
    );
    let text = serde_json::to_string(&plan).unwrap();
    for word in ["\"server\"", "\"root\"", "\"moves\"", "\"servers\""] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn a_move_says_that_the_next_backup_is_a_full_one_and_what_stays() {
    let state = state(vec![row_of("east", "daily=7")]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(7))]);
    let desired = file_of(vec![wanted("web-01", Some("daily=7"))], "west");
    let plan = plan(&desired, &state, &snapshots);
    assert_eq!(
        moves(&plan),
        [
            "web-01 moves from east to west: its next backup is a full one; 7 snapshots stay on east, under retention there by their own"
        ]
    );
    assert_eq!(plan.summary.update, 1);
    assert_eq!(plan.retention.len(), 1);
    assert_eq!(plan.retention[0].server, Some(label("east")));
    // No backup comes there any more: nothing that is kept goes by itself.
    assert!(
        plan.retention[0]
            .keep
            .iter()
            .all(|k| k.expires_on.is_none())
    );
}

#[test]
fn what_another_server_has_is_kept_and_deleted_by_its_own() {
    let state = state(vec![row_of("east", "daily=3")]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(2))]);
    let elsewhere = in_the_west(nightly(10));
    let mut planner = planner(&state, &snapshots, &[]);
    planner.elsewhere = &elsewhere;
    let desired = file_of(vec![wanted("web-01", Some("daily=3"))], "east");
    let plan = planner
        .clone()
        .against(&desired, Source::default())
        .unwrap();
    let found: Vec<_> = plan
        .retention
        .iter()
        .map(|r| {
            let server = r.server.as_ref().map(Label::as_str);
            (server, r.root.clone(), r.keep.len(), r.delete.len())
        })
        .collect();
    assert_eq!(
        found,
        [
            (Some("east"), None, 2, 0),
            (Some("west"), Some(west_root()), 3, 7)
        ]
    );
    assert_eq!(plan.summary.hosts_with_deletions, 1);
    // What a reviewer approved stays the same once nothing is left there.
    let mut later = planner.clone();
    later.elsewhere = &[];
    let later = later.against(&desired, Source::default()).unwrap();
    assert_eq!(later.retention.len(), 1);
    assert_eq!(later.fingerprint, plan.fingerprint);
    // And back: what is still there is a base, and no further copy.
    let desired = file_of(vec![wanted("web-01", Some("daily=3"))], "west");
    let plan = planner
        .clone()
        .against(&desired, Source::default())
        .unwrap();
    assert!(!plan.moves[0].full, "{:?}", plan.moves);
}

#[test]
fn a_paused_host_is_named_once_however_many_servers_have_snapshots_of_it() {
    let mut host = row_of("east", "daily=5");
    host.pause = Some(Pause {
        at: now(),
        by: "bob".into(),
        reason: String::new(),
    });
    let state = state(vec![host]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(2))]);
    let elsewhere = in_the_west(nightly(2));
    let mut planner = planner(&state, &snapshots, &[]);
    planner.elsewhere = &elsewhere;
    let desired = file_of(vec![wanted("web-01", Some("daily=1"))], "east");
    let plan = planner
        .clone()
        .against(&desired, Source::default())
        .unwrap();
    assert_eq!(plan.retention.len(), 2);
    let unseen: Vec<String> = plan.unseen().iter().map(ToString::to_string).collect();
    assert_eq!(unseen, ["web-01"]);
    assert_eq!(plan.approvals(&desired), []);
}

#[test]
fn whoever_looks_at_one_root_alone_finds_what_was_made_there_before_a_move() {
    let state = state(vec![row_of("east", "daily=3")]);
    let snapshots = BTreeMap::from([(HostId(1), nightly(10))]);
    let (west, root) = (label("west"), west_root());
    let mut planner = planner(&state, &snapshots, &[]);
    planner.only = Some((&west, &root));
    let plan = planner.in_force(&[&state.hosts[0]]).unwrap();
    assert_eq!(plan.retention.len(), 1);
    assert_eq!(plan.retention[0].server, Some(west.clone()));
    assert_eq!(plan.retention[0].root, Some(root.clone()));
    assert_eq!(plan.retention[0].delete.len(), 7);
}

#[test]
fn the_root_of_each_server_in_use_stays_where_it_is() {
    let state = state(vec![row_of("east", "daily=3")]);
    let snapshots = BTreeMap::new();
    let mut planner = planner(&state, &snapshots, &[]);
    planner.root = RootFacts {
        is_in_use: true,
        path: Some("/mnt/east".parse().unwrap()),
        server: Some(label("east")),
        others: vec![(label("west"), "/mnt/west".parse().unwrap())],
        found_at: None,
    };
    let said = |desired: &DesiredState| -> Vec<String> {
        let plan = planner.clone().against(desired, Source::default()).unwrap();
        plan.refusals.into_iter().map(|r| r.message).collect()
    };
    let mut desired = file_of(vec![wanted("web-01", Some("daily=3"))], "east");
    assert_eq!(said(&desired), [""; 0]);
    desired.global.servers[1].backup_root = Some("/mnt/new".parse().unwrap());
    assert_eq!(
        said(&desired),
        [
            "`backup-root` of server west changes from /mnt/west to /mnt/new while /mnt/west is in use"
        ]
    );
    desired.global.servers.remove(1);
    assert_eq!(said(&desired), [""; 0], "nothing is on it");
}

#[test]
fn a_lone_server_may_get_a_name_if_its_root_stays() {
    let mut state = sql(vec![row(1, "web-01", Some("daily=3"))]);
    if let Some(global) = &mut state.global {
        global.settings.backup_root = Some("/mnt/east".parse().unwrap());
    }
    let snapshots = BTreeMap::new();
    let mut planner = planner(&state, &snapshots, &[]);
    planner.root = RootFacts {
        is_in_use: true,
        path: Some("/mnt/east".parse().unwrap()),
        ..RootFacts::default()
    };
    let mut desired = file_of(vec![wanted("web-01", Some("daily=3"))], "east");
    let refused = |desired: &DesiredState| {
        let plan = planner.clone().against(desired, Source::default()).unwrap();
        plan.refusals.len()
    };
    assert_eq!(refused(&desired), 0);
    desired.global.servers[0].backup_root = Some("/mnt/other".parse().unwrap());
    assert_eq!(refused(&desired), 1);
}

#[test]
fn a_root_that_would_be_lost_sight_of_is_named_by_its_server() {
    let mut state = sql(vec![row(1, "web-01", Some("daily=3"))]);
    if let Some(global) = &mut state.global {
        global.settings.backup_root = Some("/mnt/old".parse().unwrap());
    }
    let snapshots = BTreeMap::new();
    let mut planner = planner(&state, &snapshots, &[]);
    planner.root = RootFacts {
        is_in_use: true,
        path: Some("/mnt/old".parse().unwrap()),
        ..RootFacts::default()
    };
    let said = |desired: &DesiredState| -> Vec<String> {
        let plan = planner.clone().against(desired, Source::default()).unwrap();
        plan.refusals.into_iter().map(|r| r.message).collect()
    };
    let mut desired = file_of(vec![wanted("web-01", Some("daily=3"))], "east");
    assert_eq!(
        said(&desired),
        [
            "`backup-root` of the server that had no name changes from /mnt/old to /mnt/east of server east while /mnt/old is in use"
        ]
    );
    for server in &mut desired.global.servers {
        server.backup_root = None;
    }
    assert_eq!(
        said(&desired),
        [
            "`backup-root` of the server that had no name changes from /mnt/old to nothing while /mnt/old is in use"
        ]
    );
    let alone = file(vec![wanted("web-01", Some("daily=3"))]);
    assert_eq!(
        said(&alone),
        ["`backup-root` changes from /mnt/old to nothing while /mnt/old is in use"]
    );
}

/// The root of this server and that of another are in use.
fn both_in_use(server: &str) -> RootFacts {
    let path = |name: &str| format!("/mnt/{name}").parse().unwrap();
    let other = if server == "east" { "west" } else { "east" };
    RootFacts {
        is_in_use: true,
        found_at: None,
        path: Some(path(server)),
        server: Some(label(server)),
        others: vec![(label(other), path(other))],
    }
}

/// The file without the server in the west; the host is in the east by now.
fn without_west() -> DesiredState {
    let mut desired = file_of(vec![wanted("web-01", Some("daily=7"))], "east");
    desired
        .global
        .servers
        .retain(|server| server.name == label("east"));
    desired
}

fn plan_without_west(state: &SqlState, allow: &[Allow]) -> Plan {
    let snapshots = BTreeMap::from([(HostId(1), nightly(7))]);
    let planner = Planner {
        root: both_in_use("east"),
        ..planner(state, &snapshots, allow)
    };
    planner
        .clone()
        .against(&without_west(), Source::default())
        .unwrap()
}

#[test]
fn a_server_that_leaves_is_refused_and_said_what_goes_out_of_sight_with_it() {
    let state = state(vec![row_of("west", "daily=7")]);
    let plan = plan_without_west(&state, &[]);
    let [refusal] = plan.refusals.as_slice() else {
        panic!("{:#?}", plan.refusals);
    };
    assert_eq!(refusal.guard, "server-leaves");
    assert_eq!(refusal.scope, RefusalScope::Apply);
    assert_eq!(
        refusal.message,
        "server west leaves, and 7 snapshots of 1 host on its root /mnt/west with it: nothing there is deleted, \
         and nothing there is listed, counted, pruned or restored any more"
    );
    assert!(refusal.lift.contains("--allow server:west"));
    assert_eq!(
        moves(&plan),
        [
            "web-01 moves from west to east: its next backup is a full one; 7 snapshots are lost sight of with west"
        ]
    );
    assert_eq!(plan.summary.deletions(), 0);
}

#[test]
fn a_server_is_let_go_by_its_name_alone() {
    let state = state(vec![row_of("west", "daily=7")]);
    let allow = |text: &str| [text.parse::<Allow>().unwrap()];
    let plan = plan_without_west(&state, &allow("server:west"));
    assert_eq!(plan.refusals, []);
    let [leaving] = plan.leaving.as_slice() else {
        panic!("{:#?}", plan.leaving);
    };
    assert_eq!((leaving.snapshots, leaving.hosts), (7, 1));
    let plan = plan_without_west(&state, &allow("server:east"));
    assert_eq!(plan.refusals.len(), 1);
}

#[test]
fn a_host_that_no_file_manages_belongs_to_a_server_before_there_are_several() {
    let mut unmanaged = row(2, "by-hand", Some("daily=7"));
    unmanaged.managed_by = ManagedBy::Cli;
    unmanaged.applied = None;
    let mut state = sql(vec![row_of("east", "daily=7"), unmanaged]);
    state.hosts[0].settings.server = None;
    state.hosts[0].applied = Some(state.hosts[0].settings.clone());
    let desired = file_of(vec![wanted("web-01", Some("daily=7"))], "east");
    let refused = |state: &SqlState| -> Vec<String> {
        let plan = plan(&desired, state, &BTreeMap::new());
        let refusals = plan.refusals.iter();
        refusals
            .map(|r| format!("{} {}", r.guard, r.message))
            .collect()
    };
    assert_eq!(
        refused(&state),
        [
            "no-server by-hand, which this file does not manage, belongs to none of its servers: nobody would back it up"
        ]
    );
    state.hosts[1].settings.server = Some(label("west"));
    assert_eq!(refused(&state), [""; 0]);
}

#[test]
fn a_lone_server_gives_up_its_name_and_of_two_at_one_path_neither_does_unsaid() {
    let mut state = state(vec![row_of("east", "daily=7")]);
    let path: AbsolutePath = "/mnt/backups".parse().unwrap();
    let global = &mut state.global.as_mut().unwrap().settings;
    for server in &mut global.servers {
        server.backup_root = Some(path.clone());
    }
    let snapshots = BTreeMap::from([(HostId(1), nightly(7))]);
    let elsewhere = in_the_west(nightly(2));
    let mut planner = planner(&state, &snapshots, &[]);
    planner.root = RootFacts {
        path: Some(path.clone()),
        others: vec![(label("west"), path.clone())],
        ..both_in_use("east")
    };
    planner.elsewhere = &elsewhere;
    let mut desired = file(vec![wanted("web-01", Some("daily=7"))]);
    desired.global.backup_root = Some(path);
    let refused = |planner: &Planner<'_>| -> Vec<String> {
        let plan = planner
            .clone()
            .against(&desired, Source::default())
            .unwrap();
        let refusals = plan.refusals.iter();
        refusals
            .map(|r| format!("{} {:?}", r.guard, r.actual))
            .collect()
    };
    assert_eq!(
        refused(&planner),
        ["server-leaves Some(7)", "server-leaves Some(2)"]
    );
    // Where nothing was ever on the other one, it goes on with its root.
    planner.root.others.clear();
    planner.elsewhere = &[];
    assert_eq!(refused(&planner), [""; 0]);
}
