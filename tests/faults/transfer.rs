//! A transfer that began and does not come to its end.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::common::Sshd;
use crate::common::program::{Program, Said};
use crate::network::{HOST, Network};
use crate::remote::{AS_ASKED, Remote};
use crate::rig::{Rig, ssh};

/// Slow enough to be met half way.
const SLOW: &str = "rsync { bwlimit \"256KiB\"; timeout \"2s\" }";

/// Begins a backup of a host with a large file and waits until that file is on its way and the smaller one is there.
fn half_way(rig: &Rig) -> Child {
    std::fs::write(rig.source.join("large"), vec![7; 4 << 20]).unwrap();
    let mut child = rig
        .program
        .command(&["backup", "web"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let is_on_its_way = |tree: &Path| {
        let names = crate::common::program::names_below(tree);
        names.contains(&"changes".to_owned()) && names.iter().any(|n| n.starts_with(".large."))
    };
    while !rig.left().iter().any(|tree| is_on_its_way(tree)) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::yield_now();
    }
    child
}

fn ended(child: Child) -> Said {
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!(said.code, 1, "{}", said.err);
    said
}

/// What the cut-off pull brought is used by the next one.
fn recovers_with_what_came(rig: &Rig) {
    use std::os::unix::fs::MetadataExt as _;
    let came = rig.left()[0].join("changes").metadata().unwrap().ino();
    rig.recovers();
    let newest = rig.program.visible("web", "manual").pop().unwrap();
    let linked = rig.tree(&newest).join("changes").metadata().unwrap().ino();
    assert_eq!(came, linked, "it came over the wire again");
}

#[test]
fn a_wire_that_is_cut_ends_the_pull_and_what_came_is_used_by_the_next() {
    let Some(network) = Network::new() else {
        return;
    };
    let sshd = Sshd::within(&network.on_host(), HOST, &[]);
    let settings = ssh(&sshd, HOST);
    let rig = Rig::prepared(Program::within(network.on_server()), &settings, "");
    rig.configure(&format!("{settings}; {SLOW}"));
    let pull = half_way(&rig);
    network.cut();
    rig.check(&ended(pull), "failed", &["the host stopped answering"]);
    network.mend();
    recovers_with_what_came(&rig);
}

#[test]
fn a_session_or_an_rsync_that_is_killed_there_ends_the_pull_here() {
    let script = format!("echo $PPID $$ > FOLDER/pids\n{AS_ASKED}");
    let remote = Remote::with(&script);
    let rig = Rig::over_ssh(&remote.sshd);
    rig.configure(&format!("{}; {SLOW}", ssh(&remote.sshd, "127.0.0.1")));
    // The session, then rsync itself.
    for which in [0, 1] {
        let pull = half_way(&rig);
        let pids = std::fs::read_to_string(remote.path("pids")).unwrap();
        let pid = pids.split_whitespace().nth(which).unwrap();
        assert!(crate::disks::run("kill", &["-9", pid]));
        rig.check(&ended(pull), "failed", &["the connection broke"]);
    }
    recovers_with_what_came(&rig);
}

#[test]
fn a_host_that_hangs_after_the_log_in_is_given_up() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let settings = ssh(&remote.sshd, "127.0.0.1");
    // It reads until nobody writes any more, and says nothing.
    remote.does_now("exec cat > /dev/null");
    rig.configure(&format!("{settings}; rsync {{ timeout \"1s\" }}"));
    rig.fails(&["the host stopped answering"]);
    rig.configure(&format!("{settings}; rsync {{ deadline \"1s\" }}"));
    rig.fails(&["deadline"]);
    remote.does_now(AS_ASKED);
    rig.recovers();
}

/// rsync's sending side in protocol 29, as far as the list of files: each of its names lies below the source.
fn endless(source: &Path, pause: &str) -> String {
    let mut name = source.strip_prefix("/").unwrap().display().to_string();
    name.push_str("/00000000");
    let octal = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|b| format!("\\{b:03o}"))
            .collect::<String>()
    };
    let prefix = name.len() - 8;
    // flags (same user and group), length of the name, the name; then size, time and mode.
    let body = 1 + 1 + name.len() + 4 + 4 + 4;
    let header = octal(&(u32::try_from(body).unwrap() | 7 << 24).to_le_bytes());
    let head = octal(&[0x18, u8::try_from(name.len()).unwrap()]);
    let tail = octal(
        &[
            &1_u32.to_le_bytes()[..],
            &1_000_000_000_u32.to_le_bytes(),
            &0o100_644_u32.to_le_bytes(),
        ]
        .concat(),
    );
    format!(
        "printf '\\035\\000\\000\\000\\001\\000\\000\\000'\ni=10000000\nwhile printf '{header}{head}%s%s{tail}' '{}' $i; do i=$((i+1)); {pause}; done",
        &name[..prefix]
    )
}

#[test]
fn a_hostile_rsync_cannot_hold_the_server_or_reach_a_snapshot() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let settings = ssh(&remote.sshd, "127.0.0.1");
    // It says something ever so often: rsync's own timeout never comes, ours does.
    let limits = "rsync { acls #false; xattrs #false; timeout \"1s\"; deadline \"3s\" }";
    rig.configure(&format!("{settings}; {limits}"));
    for pause in [":", "sleep 0.3"] {
        remote.does_now(&endless(&rig.source, pause));
        rig.fails(&["deadline"]);
    }
    // Names of its own choosing.
    remote.does_now(&endless(Path::new("/etc/cron.d"), ":"));
    rig.fails(&["rsync refused the transfer"]);
    // Bytes that mean nothing, with and without a beginning that does.
    remote.does_now("exec head -c 100000 /dev/urandom");
    rig.fails(&[]);
    remote.does_now("printf '\\040\\000\\000\\000'; exec head -c 100000 /dev/urandom");
    rig.fails(&[]);
    remote.does_now(AS_ASKED);
    rig.recovers();
}

#[test]
fn a_shell_that_talks_and_an_rsync_that_is_not_there_are_told_with_what_to_do() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    for noise in [
        "echo Welcome to this machine",
        "echo",
        "printf hi",
        "yes | head -n 100000",
    ] {
        remote.does_now(&format!("{noise}\n{AS_ASKED}"));
        rig.fails(&["login shell prints something"]);
    }
    remote.does_now("echo 'This account is currently not available.'; exit 1");
    rig.fails(&["login shell prints something"]);
    // On stderr it is only noise.
    remote.does_now(&format!("echo Welcome >&2\n{AS_ASKED}"));
    rig.program.ends(0, &["backup", "web"]);

    let rig = Rig::over_ssh(&remote.sshd);
    remote.does_now("PATH=/nowhere; eval \"$SSH_ORIGINAL_COMMAND\"");
    rig.fails(&["rsync is not to be found on the host", "rsync-path"]);
    remote.does_now(AS_ASKED);
    let settings = ssh(&remote.sshd, "127.0.0.1");
    rig.configure(&format!(
        "{settings}; rsync {{ rsync-path \"/opt/no/rsync\" }}"
    ));
    rig.fails(&["rsync is not to be found on the host", "/opt/no/rsync"]);
    // A path is one word to the shell there, whatever it holds.
    let pwned = remote.path("pwned");
    let hostile = format!("/opt/no; touch {}; rsync", pwned.display());
    rig.configure(&format!("{settings}; rsync {{ rsync-path \"{hostile}\" }}"));
    rig.fails(&["rsync is not to be found on the host", "/opt/no; touch"]);
    assert_eq!(rig.program.run(&["test", "web"]).code, 1);
    assert!(!pwned.exists());
    let odd = remote.path("my rsync's");
    std::os::unix::fs::symlink("/usr/bin/rsync", &odd).unwrap();
    rig.configure(&format!(
        "{settings}; rsync {{ rsync-path \"{}\" }}",
        odd.display()
    ));
    rig.program.ends(0, &["test", "web"]);
    rig.program.ends(0, &["backup", "web"]);
    rig.recovers();
}
