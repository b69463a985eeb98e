//! Each end as it was seen.

use rstest::rstest;

use super::*;

fn ended(exit: i32, complaints: &[&str]) -> Ended {
    Ended {
        exit: Some(exit),
        complaints: complaints.iter().map(ToString::to_string).collect(),
        ..Ended::default()
    }
}

#[rstest]
#[case(0, &[], Class::Complete, false, "complete")]
#[case(24, &["file has vanished: \"/a\""], Class::Complete, false, "vanished")]
#[case(0, &["--link-dest arg does not exist: /x"], Class::Failed, true, "base went away")]
#[case(23, &["rsync: [sender] send_files failed to open \"/a\": Permission denied (13)", "rsync error: some files"], Class::Partial, false, "/a")]
#[case(23, &["rsync: [sender] link_stat \"/nope\" failed: No such file or directory (2)"], Class::Failed, false, "/nope")]
#[case(23, &["rsync: [sender] change_dir \"/nope\" failed: No such file or directory (2)"], Class::Failed, false, "source is not there")]
#[case(23, &["rsync: mkstemp \"/b/.x\" failed: No space left on device (28)"], Class::Failed, false, "full")]
#[case(11, &["rsync: write failed on \"/b/x\": No space left on device (28)"], Class::Failed, false, "full")]
#[case(12, &["bash: line 1: rsync: command not found"], Class::Failed, false, "rsync-path")]
#[case(12, &["rsync: connection unexpectedly closed"], Class::Failed, true, "broke")]
#[case(12, &["ssh: connect to host h port 1: Connection refused", "rsync: connection unexpectedly closed"], Class::Failed, true, "refused")]
#[case(30, &["io timeout after 600 seconds"], Class::Failed, true, "stopped answering")]
#[case(255, &["ssh: connect to host 127.0.0.1 port 1: Connection refused"], Class::Failed, true, "Connection refused")]
#[case(255, &["root@h: Permission denied (publickey)."], Class::Failed, false, "authorized_keys")]
#[case(255, &["No ED25519 host key is known for h and you have requested strict checking.", "Host key verification failed."], Class::Failed, false, "pobsync trust")]
#[case(2, &["protocol version mismatch -- is your shell clean?"], Class::Failed, false, "login shell")]
#[case(12, &["Connection timed out during banner exchange", "Connection to 127.0.0.1 port 1 timed out", "rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]"], Class::Failed, true, "ssh could not connect (exit 12): Connection timed out during banner exchange")]
#[case(255, &["Timeout, server h not responding.", "rsync: [generator] write error: Broken pipe (32)"], Class::Failed, true, "the host stopped answering (exit 255): Timeout, server")]
#[case(255, &["Connection to h closed by remote host.", "rsync: connection unexpectedly closed"], Class::Failed, true, "the connection broke (exit 255): Connection to h")]
#[case(255, &["Load key \"/k\": bad permissions", "root@h: Permission denied (publickey)."], Class::Failed, false, "can be read by others")]
#[case(255, &["Warning: Identity file /k not accessible: No such file or directory.", "root@h: Permission denied (publickey)."], Class::Failed, false, "the ssh key cannot be read")]
#[case(12, &["sh: 1: /opt/rsync: not found"], Class::Failed, false, "rsync-path")]
#[case(12, &["rsync: [sender] link_stat \"/a\" failed: No such file or directory (2)", "rsync: connection unexpectedly closed"], Class::Failed, true, "broke")]
#[case(23, &["rsync: [sender] link_stat \"/a\" failed: Permission denied (13)"], Class::Failed, false, "cannot be reached")]
#[case(23, &["rsync: [generator] recv_generator: mkdir \"/b\" failed: Read-only file system (30)"], Class::Failed, false, "the server could not write")]
#[case(23, &["rsync: [receiver] mkstemp \"/b/.x\" failed: Input/output error (5)"], Class::Failed, false, "the server could not write")]
#[case(23, &["rsync: [receiver] mkstemp \"/b/.nnn\" failed: File name too long (36)"], Class::Partial, false, "File name too long")]
#[case(23, &["rsync: [sender] link_stat \"/nope\" failed: No such file or directory (2)", "rsync: [Receiver] write error: Broken pipe (32)"], Class::Failed, false, "a source is not there")]
#[case(23, &["rsync: [sender] read errors mapping \"/a\": Input/output error (5)"], Class::Partial, false, "/a")]
#[case(14, &["fork"], Class::Failed, false, "exit 14")]
fn each_end_has_its_meaning(
    #[case] exit: i32,
    #[case] complaints: &[&str],
    #[case] class: Class,
    #[case] retry: bool,
    #[case] why: &str,
) {
    let verdict = classify(&ended(exit, complaints), false, Room::default());
    assert_eq!(
        (verdict.class, verdict.retry),
        (class, retry),
        "{verdict:?}"
    );
    assert!(verdict.message.contains(why), "{verdict:?}");
}

#[test]
fn a_changed_host_key_is_an_alarm_and_not_tried_again() {
    let lines = [
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        "Host key verification failed.",
    ];
    let verdict = classify(&ended(255, &lines), false, Room::default());
    assert!(verdict.alarm && !verdict.retry && verdict.class == Class::Failed);
}

#[test]
fn unreadable_files_are_complete_where_they_are_accepted_and_listed() {
    let line = "rsync: [sender] send_files failed to open \"/a\": Permission denied (13)";
    let verdict = classify(&ended(23, &[line]), true, Room::default());
    assert_eq!(
        (verdict.class, verdict.warnings),
        (Class::Complete, vec![line.to_owned()])
    );
}

#[test]
fn without_inodes_nothing_is_partial() {
    let room = Room {
        inodes_free: 0,
        ..Room::default()
    };
    let verdict = classify(&ended(23, &["rsync: mkdir failed"]), true, room);
    assert!(verdict.class == Class::Failed && verdict.message.contains("inodes"));
}

#[test]
fn stopping_and_deadlines_come_before_any_exit_code() {
    let cancelled = Ended {
        cancelled: true,
        exit: Some(0),
        ..Ended::default()
    };
    assert_eq!(
        classify(&cancelled, false, Room::default()).class,
        Class::Cancelled
    );
    let late = Ended {
        timed_out: true,
        exit: Some(20),
        ..Ended::default()
    };
    assert_eq!(classify(&late, false, Room::default()).class, Class::Failed);
}
