//! Who may work on a host, and who still does after a kill.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use pobsync::core::model::RunId;
use pobsync::disk::{DiskError, Holder, Liveness, ProcessGroup};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::parts;
use crate::support::{TestRoot, now, run};

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

#[test]
fn a_refused_lock_names_the_run_that_has_it() {
    let test = TestRoot::new();
    let host = test.host();
    let lock = host.try_lock(Some(RunId(12)), "backup", now()).unwrap();
    let error = host.try_lock(Some(RunId(13)), "prune", now()).unwrap_err();
    assert!(error.is_locked());
    assert_eq!(
        error.to_string(),
        format!(
            "{} is locked by run 12, backup (process {}, since 2026-11-23T10:00:00Z)",
            host.path().display(),
            std::process::id()
        )
    );
    let DiskError::Locked {
        holder: Some(holder),
        ..
    } = error
    else {
        panic!("no holder");
    };
    assert_eq!(*holder, *lock.note());
    assert_eq!(holder.liveness(), Liveness::Alive);
    assert_eq!(host.orphan_groups(&holder).unwrap(), []);

    lock.release().unwrap();
    assert_eq!(host.holder().unwrap(), None);
    host.try_lock(None, "prune", now()).unwrap();
}

#[test]
fn hosts_are_locked_one_by_one() {
    let test = TestRoot::new();
    let _lock = test.lock();
    let other = test.root.host_dir(&"web-02".parse().unwrap()).unwrap();
    other.try_lock(None, "backup", now()).unwrap();
}

#[test]
fn of_twenty_that_try_at_once_one_gets_the_lock() {
    let test = TestRoot::new();
    let host = test.host();
    let barrier = std::sync::Barrier::new(20);
    let got = std::thread::scope(|scope| {
        let try_it = || {
            let lock = host.try_lock(None, "backup", now());
            // Nobody lets go before everybody has tried.
            barrier.wait();
            lock.is_ok()
        };
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(try_it)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .filter(|got| *got)
            .count()
    });
    assert_eq!(got, 1);
}

#[test]
fn what_the_file_says_never_blocks() {
    let test = TestRoot::new();
    let host = test.host();
    let path = test.host_path(".lock");
    let long = "x".repeat(10_000);
    for text in ["", "nonsense", "{\"pid\": 1}", "\u{0}", &long] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(host.holder().unwrap(), None, "{text}");
        let lock = host.try_lock(None, "backup", now()).unwrap();
        assert_eq!(host.holder().unwrap().as_ref(), Some(lock.note()));
    }
}

#[test]
fn a_lock_file_that_was_removed_excludes_nobody_and_the_new_one_does() {
    let test = TestRoot::new();
    let host = test.host();
    let _lost = host.try_lock(None, "first", now()).unwrap();
    std::fs::remove_file(test.host_path(".lock")).unwrap();
    let _second = host.try_lock(None, "second", now()).unwrap();
    assert!(host.try_lock(None, "third", now()).unwrap_err().is_locked());
}

#[test]
fn a_child_holds_the_lock_through_its_standard_input_which_is_empty() {
    let test = TestRoot::new();
    let host = test.host();
    let lock = host.try_lock(None, "backup", now()).unwrap();
    let output = Command::new("cat")
        .stdin(lock.stdin().unwrap())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"");

    let gate = test.path("gate");
    mkfifoat(CWD, &gate, Mode::RWXU).unwrap();
    let mut child = Command::new("cat")
        .arg(&gate)
        .stdin(lock.stdin().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(lock);
    assert!(host.try_lock(None, "next", now()).unwrap_err().is_locked());
    // Opening and closing the other end lets the child read to the end and go.
    drop(std::fs::OpenOptions::new().write(true).open(&gate).unwrap());
    child.wait().unwrap();
    host.try_lock(None, "next", now()).unwrap();
}

/// A killed program that left a child at work: its root, and the pid of the child.
struct Left {
    test: TestRoot,
    child: u32,
}

impl Left {
    fn by(part: &str) -> Self {
        let test = TestRoot::new();
        mkfifoat(CWD, test.path("gate"), Mode::RWXU).unwrap();
        let mut program = parts::command(&[], part, test.root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let child = child_of(&mut program);
        program.kill().unwrap();
        program.wait().unwrap();
        Self { test, child }
    }

    /// Waits until the kernel has freed the lock, which it does when the last holder is gone.
    fn wait_for_the_lock(&self) {
        std::fs::File::open(self.test.host_path(".lock"))
            .unwrap()
            .lock()
            .unwrap();
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = kill_process(pid(self.child), Signal::KILL);
    }
}

fn child_of(program: &mut Child) -> u32 {
    BufReader::new(program.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("child ")?.parse().ok())
        .expect("the part tells its child")
}

fn holder_of(left: &Left) -> Holder {
    let DiskError::Locked { holder, .. } =
        left.test.host().try_lock(None, "next", now()).unwrap_err()
    else {
        panic!("not locked");
    };
    *holder.unwrap()
}

#[test]
fn a_killed_program_leaves_the_host_locked_and_its_children_are_found() {
    for part in ["leave-child", "leave-unrecorded-child"] {
        let left = Left::by(part);
        let holder = holder_of(&left);
        assert_eq!(holder.run, Some(RunId(12)));
        assert_eq!(holder.liveness(), Liveness::Gone, "{part}");
        assert_eq!(holder.children.is_some(), part == "leave-child");
        let groups = left.test.host().orphan_groups(&holder).unwrap();
        assert_eq!(groups, [ProcessGroup::led_by(left.child)], "{part}");

        kill_process_group(pid(groups[0].id), Signal::KILL).unwrap();
        left.wait_for_the_lock();
        drop(left.test.lock());
    }
}

#[test]
fn a_process_that_got_the_pid_later_is_no_orphan() {
    let left = Left::by("leave-child");
    let mut holder = holder_of(&left);
    // As if both pids had been given to others since.
    let group = holder.children.as_mut().unwrap();
    group.leader_start_time = group.leader_start_time.map(|start| start + 1);
    holder.pid = std::process::id();
    assert_eq!(holder.liveness(), Liveness::Gone);
    kill_process(pid(left.child), Signal::KILL).unwrap();
    left.wait_for_the_lock();
    let mut bystander = Command::new("cat")
        .arg(left.test.path("gate"))
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    holder.children.as_mut().unwrap().id = bystander.id();
    assert_eq!(left.test.host().orphan_groups(&holder).unwrap(), []);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_holder_of_another_boot_or_namespace_cannot_be_judged_from_here() {
    let left = Left::by("leave-child");
    let here = holder_of(&left);
    let mut rebooted = here.clone();
    rebooted.boot_id = Some("another".to_owned());
    let mut container = here.clone();
    container.pid_namespace = Some("pid:[1]".to_owned());
    for holder in [rebooted, container] {
        assert_eq!(holder.liveness(), Liveness::Elsewhere);
        assert_eq!(left.test.host().orphan_groups(&holder).unwrap(), []);
    }
}

/// The one outside program that this rests on.
#[test]
fn rsync_keeps_its_standard_input_open() {
    if !run("rsync", &["--version"]) {
        return crate::support::skipped("rsync is missing");
    }
    let test = TestRoot::new();
    let lock = test.lock();
    // rsync waits for the names of the files it is to send, which come through the fifo.
    let gate = test.path("gate");
    mkfifoat(CWD, &gate, Mode::RWXU).unwrap();
    let from = format!("--files-from={}", gate.display());
    let mut rsync = Command::new("rsync")
        .args(["-a", &from, "/etc/"])
        .arg(test.path("copy"))
        .stdin(lock.stdin().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Opening our end returns once rsync has opened its own, so that it is at work.
    let names = std::fs::OpenOptions::new().write(true).open(&gate).unwrap();
    drop(lock);
    assert!(
        test.host()
            .try_lock(None, "next", now())
            .unwrap_err()
            .is_locked()
    );
    drop(names);
    rsync.wait().unwrap();
    drop(test.lock());
}
