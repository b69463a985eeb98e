//! One ssh connection for a pull that compares and brings: hosts that count, hosts that say no, and ends of all kinds.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use pobsync::rsync::{Ceiling, Connection, Pull, Started, Stop, Transfer, run};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Sshd, assert_same_tree};
use crate::connections::{holds, with_a_change};
use crate::rig::Rig;

/// The processes that have the lock of the host as their standard input, which nothing but our children has, with their
/// words.
fn children(rig: &Rig) -> Vec<(Pid, String)> {
    let inode = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    let lock = inode(&rig.program.root().join("fast/.lock"));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| inode(Path::new(&format!("/proc/{pid}/fd/0"))) == lock)
        .filter_map(|pid| {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            Some((Pid::from_raw(pid)?, words.replace('\0', " ")))
        })
        .collect()
}

fn master(rig: &Rig) -> Pid {
    let mut found = children(rig);
    found.retain(|(_, words)| words.starts_with("ssh ") && words.contains(" -N "));
    let [(pid, _)] = found[..] else {
        panic!("{found:?}");
    };
    pid
}

/// Nothing is left of the connection: no process, and no socket in the folders of the host.
fn assert_nothing_is_left(rig: &Rig) {
    let left = children(rig);
    assert!(left.is_empty(), "{left:?}");
    let folder = rig.program.root().join("fast");
    let found = std::process::Command::new("find")
        .arg(folder)
        .args(["-type", "s"])
        .output();
    assert_eq!(String::from_utf8(found.unwrap().stdout).unwrap(), "");
}

/// Changes a file and backs up; how many connections that took, and which way it was.
fn connections(rig: &Rig, text: &str) -> (usize, String) {
    rig.file("changes", text);
    connections_of_a_pull(rig)
}

fn connections_of_a_pull(rig: &Rig) -> (usize, String) {
    let before = rig.sshd.accepted();
    let now = rig.backup("fast");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    assert_nothing_is_left(rig);
    let way = rig.meta("fast", &now)["incremental"].to_string();
    (rig.sshd.accepted() - before, way)
}

#[test]
fn a_pull_takes_one_connection_whether_something_is_brought_or_not() {
    let rig = with_a_change();
    rig.host_does("");
    assert_eq!(connections(&rig, "other"), (1, "\"fast\"".to_owned()));
    assert_eq!(rig.calls(), 2);
    assert_eq!(connections_of_a_pull(&rig), (1, "\"fast\"".to_owned()));
    // The folders above the source change as they like.
    assert!((1..=2).contains(&rig.calls()));
    // The plain way after one that came to nothing goes by the same connection.
    rig.file("folder/file", "x");
    connections(&rig, "other");
    std::fs::remove_dir_all(rig.source.join("folder")).unwrap();
    rig.file("folder", "now a file");
    assert_eq!(connections(&rig, "other"), (1, "\"link-dest\"".to_owned()));
}

#[test]
fn a_host_that_lets_one_session_into_a_connection_is_no_matter() {
    let rig = Rig::behind(Sshd::with(&["MaxSessions=1".to_owned()]), "");
    rig.file("changes", "before");
    rig.backup("fast");
    for text in ["now", "then"] {
        assert_eq!(connections(&rig, text), (1, "\"fast\"".to_owned()));
    }
}

#[test]
fn a_key_that_is_tied_to_rrsync_is_no_matter() {
    // It knows rsync by no other name.
    let sshd = Sshd::with_forced_command(
        "SSH_ORIGINAL_COMMAND=\"rsync ${SSH_ORIGINAL_COMMAND#* }\" exec rrsync -ro /",
    );
    let rig = Rig::behind(sshd, "rsync { secluded-args #false }");
    rig.file("changes", "before");
    rig.backup("fast");
    assert_eq!(connections(&rig, "now"), (1, "\"fast\"".to_owned()));
}

#[test]
fn a_jump_takes_one_connection_there_and_one_behind_it() {
    let rig = Rig::new();
    let port = rig.sshd.port;
    rig.configure(
        "fast",
        &format!("ssh {{ proxy-jump \"root@127.0.0.1:{port}\" }}"),
    );
    rig.file("changes", "before");
    rig.backup("fast");
    assert_eq!(connections(&rig, "now"), (2, "\"fast\"".to_owned()));
}

#[test]
fn this_machine_needs_no_connection() {
    let rig = Rig::at("local", "");
    rig.file("changes", "before");
    rig.backup("fast");
    assert_eq!(connections(&rig, "now"), (0, "\"fast\"".to_owned()));
}

#[test]
fn a_connection_that_dies_while_something_is_brought_is_made_anew() {
    let rig = with_a_change();
    let before = rig.sshd.accepted();
    let (now, is_fast) = rig.backup_with(|| kill_process(master(&rig), Signal::KILL).unwrap());
    assert!(is_fast, "{}", rig.log(&now));
    assert!(rig.log(&now).contains("tried once more"));
    assert_same_tree(&rig.source, &rig.pulled(&now));
    assert_eq!(rig.sshd.accepted() - before, 2);
    assert_nothing_is_left(&rig);
}

fn transfer<'a>(
    (stop, ceiling): (&'a Stop, &'a Ceiling),
    log: std::fs::File,
    connection: Option<&'a Connection>,
    on_start: &'a mut dyn FnMut(Started),
) -> Transfer<'a> {
    Transfer {
        stdin: Stdio::null(),
        log,
        deadline: std::time::Duration::from_secs(60),
        stop,
        ceiling,
        connection,
        on_start,
        on_progress: Box::leak(Box::new(|_| {})),
    }
}

#[test]
fn one_that_has_died_between_the_steps_is_done_without_and_its_path_may_be_any() {
    let rig = with_a_change();
    // Longer than the path of a socket may be, and with all that ssh and rsync have signs for.
    let folder = rig
        .program
        .path("it's 100% of %h \"odd\"")
        .join("long".repeat(50));
    let (stop, ceiling) = (Stop::new(), Ceiling::default());
    for signal in [Signal::KILL, Signal::TERM] {
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let utf8 = |path: &Path| camino::Utf8PathBuf::try_from(path.to_owned()).unwrap();
        let pull = Pull {
            address: "127.0.0.1".parse().unwrap(),
            user: "root".parse().unwrap(),
            port: rig.sshd.port,
            identity: Some(rig.sshd.identity.to_str().unwrap().parse().unwrap()),
            known_hosts: rig.sshd.known_hosts.to_str().unwrap().parse().unwrap(),
            proxy_jump: None,
            rsync: pobsync::core::model::RsyncSettings::default(),
            sources: vec![rig.source.to_str().unwrap().parse().unwrap()],
            excludes: Vec::new(),
            destination: utf8(&folder.join("data")),
            link_dests: Vec::new(),
            checksum: false,
        };
        let socket = utf8(&folder.join("connection"));
        let mut group = None;
        let before = rig.sshd.accepted();
        let log = || std::fs::File::create(folder.join("log")).unwrap();
        let mut on_start = |started: Started| group = Some(started.pid);
        let first = transfer((&stop, &ceiling), log(), None, &mut on_start);
        let opened = Connection::open(&pull, &socket, first);
        let connection = opened.unwrap().unwrap();
        let pid = Pid::from_raw(group.unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        // ssh takes its socket away when it is asked to end, and leaves it when it is killed.
        while std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()))
            .is_ok_and(|name| name == "ssh\n")
        {
            std::thread::yield_now();
        }
        assert_eq!(socket.exists(), signal == Signal::KILL);
        let ended = run(
            &pull,
            transfer((&stop, &ceiling), log(), Some(&connection), &mut |_| {}),
        )
        .unwrap();
        assert_eq!(ended.exit, Some(0), "{:?}", ended.complaints);
        assert_same_tree(&rig.source, &rig.pulled(&folder.join("data")));
        assert_eq!(rig.sshd.accepted() - before, 2);
        drop(connection);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_host_that_freezes_while_something_is_brought_is_given_up_and_asked_anew() {
    let rig = with_a_change();
    rig.configure("fast", "rsync { timeout \"4s\" }");
    let frozen = rig.program.path("frozen");
    // The process of the host's sshd that has the connection.
    rig.host_does(&format!(
        "if [ $n = 2 ]; then p=$PPID; [ \"$(cat /proc/$p/comm)\" = sshd ] || p=$(ps -o ppid= -p $p)\n\
         echo $p $$ >{}; kill -STOP $p; exec sleep 1000; fi",
        frozen.display()
    ));
    let before = rig.sshd.accepted();
    let now = rig.backup("fast");
    for pid in std::fs::read_to_string(&frozen).unwrap().split_whitespace() {
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    }
    let log = rig.log(&now);
    assert!(log.contains("tried once more"), "{log}");
    assert_eq!(rig.meta("fast", &now)["incremental"], "fast", "{log}");
    assert_same_tree(&rig.source, &rig.pulled(&now));
    assert_eq!(rig.sshd.accepted() - before, 2);
    assert_nothing_is_left(&rig);
}

#[test]
fn a_program_that_is_killed_leaves_no_connection_and_the_next_one_nothing_else() {
    let rig = with_a_change();
    rig.host_does(&holds(&rig));
    let mut running = rig
        .program
        .command(&["backup", "fast"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    rig.waits_to_be_asked(&mut running);
    let connection = master(&rig);
    running.kill().unwrap();
    running.wait().unwrap();
    while children(&rig).iter().any(|(pid, _)| *pid == connection) {
        std::thread::yield_now();
    }
    rig.host_does("");
    assert_eq!(connections(&rig, "then").0, 1);
    let incomplete = rig.program.root().join("fast/.incomplete/manual");
    assert_eq!(std::fs::read_dir(incomplete).unwrap().count(), 0);
}

#[test]
fn a_host_that_cannot_be_reached_is_told_as_ever_and_tried_once() {
    let rig = with_a_change();
    let other = Sshd::start();
    let told = |settings: &str| {
        rig.configure_both(settings);
        let [fast, plain] = ["fast", "plain"].map(|host| {
            let said = rig.program.run(&["backup", host]).err;
            assert_nothing_is_left(&rig);
            let (_, why) = said.lines().next().unwrap().split_once("): ").unwrap();
            // rsync may come to its own end before it hears of ssh's.
            why.replace("(exit 12)", "(exit 255)")
        });
        assert_eq!(fast, plain);
        fast
    };
    rig.backup("plain");
    let wrong = told(&format!("ssh {{ known-hosts {:?} }}", other.known_hosts));
    assert!(wrong.contains("host key is not trusted"), "{wrong}");
    let key = std::fs::read_to_string(&other.known_hosts).unwrap();
    let ours = format!("[127.0.0.1]:{} ", rig.sshd.port);
    let changed = key.replace(&format!("[127.0.0.1]:{} ", other.port), &ours);
    std::fs::write(rig.program.path("changed"), changed).unwrap();
    let changed = told(&format!(
        "ssh {{ known-hosts {:?} }}",
        rig.program.path("changed")
    ));
    assert!(changed.contains("the host key has changed"), "{changed}");
    let tries = || rig.sshd.log().matches("authenticating user").count();
    let before = tries();
    let refused = told(&format!("ssh {{ identity {:?} }}", other.identity));
    assert!(refused.contains("authorized_keys"), "{refused}");
    assert_eq!(tries() - before, 2);
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = away.local_addr().unwrap().port();
    drop(away);
    let away = told(&format!("ssh {{ port {port} }}"));
    assert!(away.contains("Connection refused"), "{away}");
    rig.configure_both("");
    assert_eq!(connections(&rig, "then").0, 1);
}

#[test]
fn a_stop_and_the_deadline_are_heard_while_nobody_answers() {
    let rig = with_a_change();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    rig.configure(
        "fast",
        &format!("ssh {{ port {port} }}; rsync {{ deadline \"2s\" }}"),
    );
    let said = rig.program.ends(1, &["backup", "fast"]);
    assert!((said.out + &said.err).contains("`deadline`"));
    drop(mute.accept().unwrap());
    rig.configure("fast", &format!("ssh {{ port {port} }}"));
    let mut command = rig.program.command(&["backup", "fast"]);
    let mut running = command.stderr(Stdio::null()).spawn().unwrap();
    let held = mute.accept().unwrap();
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    assert!(!running.wait().unwrap().success());
    drop(held);
    assert_nothing_is_left(&rig);
}
