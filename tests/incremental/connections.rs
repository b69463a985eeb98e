//! Hosts that let one connection in and not the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal};

use crate::common::{Entry, assert_same_tree, read_tree};
use crate::rig::Rig;

pub(crate) fn with_a_change() -> Rig {
    let rig = Rig::new();
    rig.file("kept", "kept");
    rig.file("changes", "before");
    rig.backup("fast");
    rig.file("changes", "now");
    rig
}

#[test]
fn a_second_connection_that_fails_is_tried_once_more() {
    let rig = with_a_change();
    rig.host_does("if [ $n = 2 ]; then exit 255; fi");
    let now = rig.backup("fast");
    assert_eq!(rig.calls(), 3);
    assert_same_tree(&rig.source, &rig.pulled(&now));
    assert_eq!(rig.meta("fast", &now)["incremental"], "fast");
    assert!(rig.log(&now).contains("tried once more"));
}

#[test]
fn a_second_connection_that_fails_twice_makes_no_failed_night() {
    let rig = with_a_change();
    rig.host_does("case $n in 2|3) exit 255;; esac");
    let now = rig.backup("fast");
    assert_eq!(rig.calls(), 4);
    assert_same_tree(&rig.source, &rig.pulled(&now));
    let meta = rig.meta("fast", &now);
    assert_eq!(meta["incremental"], "link-dest");
    let why = meta["incremental_fallback"].as_str().unwrap();
    assert!(why.contains("failed twice"), "{why}");
    // It says nothing of the next night.
    assert!(meta.get("incremental_wait").is_none());
}

#[test]
fn what_came_before_a_connection_broke_is_not_pulled_again() {
    let rig = Rig::new();
    rig.file("old", "old");
    rig.backup("fast");
    rig.file("a", &"a".repeat(50_000));
    rig.file("b", &"b".repeat(3_000_000));
    rig.host_does("if [ $n = 2 ]; then rsync \"$@\" | stdbuf -o0 head -c 400000; exit 12; fi");
    let said = rig.program.run(&["backup", "fast"]);
    assert_ne!(said.code, 0, "{}", said.err);
    assert_eq!(rig.calls(), 2, "{}", said.err);
    rig.host_does("");
    let now = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    let meta = rig.meta("fast", &now);
    assert_eq!(meta["incremental"], "link-dest");
    let transferred = meta["bytes_transferred"].as_u64().unwrap();
    assert!(transferred < 3_050_000, "{transferred}");
}

#[test]
fn a_host_that_cannot_be_compared_is_not_compared_every_night() {
    if !crate::common::is_root() {
        return;
    }
    let rig = Rig::with("accept-partial #true");
    // Root, but for its right to read everything.
    rig.host_does(
        "exec setpriv --inh-caps=-all --bounding-set=-dac_override,-dac_read_search rsync \"$@\"",
    );
    let closed = |name: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(rig.source.join(name), mode).unwrap();
    };
    rig.file("plain", "plain");
    rig.file("secret", "secret");
    rig.file("locked/file", "locked");
    closed("secret", 0o000);
    rig.both();
    // A file that cannot be read is asked for, and missed as ever.
    rig.file("plain", "changed");
    let (fast, plain) = rig.both();
    assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
    for (host, data) in [("fast", &fast), ("plain", &plain)] {
        assert_eq!(
            rig.meta(host, data)["incremental"],
            ["fast", "link-dest"][usize::from(host == "plain")]
        );
        assert_eq!(rig.meta(host, data)["rsync_exit"], 23);
        assert!(!rig.pulled(data).join("secret").exists());
    }

    // A folder that cannot be read is not: rsync alone pulls it, and goes on to for a week.
    closed("locked", 0o000);
    let (fast, plain) = rig.both();
    assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
    let meta = rig.meta("fast", &fast);
    assert_eq!(meta["incremental_fallback"], "the comparison ended with 23");
    rig.calls();
    for left in (0..7).rev() {
        let now = rig.backup("fast");
        let meta = rig.meta("fast", &now);
        assert_eq!(rig.calls(), 1, "{meta}");
        assert_eq!(meta["incremental"], "link-dest");
        assert_eq!(
            meta.get("incremental_wait")
                .and_then(|n| n.as_u64())
                .unwrap_or(0),
            left
        );
    }
    closed("locked", 0o755);
    let (fast, plain) = rig.both();
    assert_same_tree(&rig.pulled(&plain), &rig.pulled(&fast));
    assert_eq!(rig.ways().iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(rig.meta("fast", &fast)["incremental"], "fast");
}

/// The host holds the second connection open and says nothing.
pub(crate) fn holds(rig: &Rig) -> String {
    let asks = rig.program.path("asks");
    format!(
        "if [ $n = 2 ]; then echo now >{}; cat >/dev/null; exit 1; fi",
        asks.display()
    )
}

#[test]
fn a_stop_between_the_steps_ends_the_pull_and_no_other_way_is_tried() {
    let rig = with_a_change();
    let older = read_tree(&rig.snapshots("fast")[0]);
    rig.host_does(&holds(&rig));
    let mut command = rig.program.command(&["backup", "fast"]);
    let mut running = command.stderr(Stdio::null()).spawn().unwrap();
    rig.waits_to_be_asked(&mut running);
    let pid = Pid::from_child(&running);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(!running.wait().unwrap().success());
    assert_eq!(rig.calls(), 2);
    goes_on(&rig, &older);
}

#[test]
fn the_deadline_is_one_for_all_steps() {
    let rig = with_a_change();
    let older = read_tree(&rig.snapshots("fast")[0]);
    rig.configure("fast", "rsync { deadline \"6s\" }");
    // Nobody reads what it says.
    rig.host_does("if [ $n = 2 ]; then cat >/dev/null; exit 1; fi");
    let said = rig.program.ends(1, &["backup", "fast"]);
    let all = said.out + &said.err;
    assert!(all.contains("`deadline`"), "{all}");
    assert!(rig.calls() <= 2);
    rig.configure("fast", "");
    goes_on(&rig, &older);
}

fn goes_on(rig: &Rig, older: &BTreeMap<PathBuf, Entry>) {
    rig.host_does("");
    let now = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    let snapshots = rig.snapshots("fast");
    assert_eq!(snapshots.len(), 2);
    assert_eq!(&read_tree(&snapshots[0]), older);
}
