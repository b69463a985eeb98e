//! What is to be pulled is not there, not readable, or goes away.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::program::{Said, names_below};
use crate::disks::Mount;
use crate::remote::{AS_ASKED, Remote};
use crate::rig::{Rig, ssh};

#[test]
fn a_source_that_is_not_there_fails_and_an_unreadable_one_is_told_apart() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let settings = ssh(&remote.sshd, "127.0.0.1");
    rig.configure_with(&settings, &rig.program.path("gone"));
    rig.fails(&["a source is not there", "/gone", "correct `source`"]);
    // One of two: the other is not enough.
    let both = format!("{settings}; source \"{}\"", rig.source.display());
    rig.configure_with(&both, &rig.program.path("gone"));
    rig.fails(&["a source is not there", "/gone"]);
    rig.recovers();
}

#[test]
fn files_that_an_ordinary_user_cannot_read_make_it_partial_or_complete_as_the_host_says() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(rig.program.path(""), open).unwrap();
    let secret = rig.source.join("secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let closed = rig.source.join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let as_nobody =
        "exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \"$SSH_ORIGINAL_COMMAND\"";
    remote.does_now(as_nobody);

    rig.ends(13, "partial", &["some files could not be read", "closed"]);
    assert!(
        rig.last_run()["message"]
            .as_str()
            .unwrap()
            .contains("secret")
    );
    // The source itself.
    std::fs::set_permissions(&rig.source, std::fs::Permissions::from_mode(0o700)).unwrap();
    rig.ends(13, "partial", &["some files could not be read", "source"]);
    std::fs::set_permissions(rig.program.path(""), std::fs::Permissions::from_mode(0o700)).unwrap();
    rig.fails(&["a source cannot be reached", "Permission denied"]);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(rig.program.path(""), open.clone()).unwrap();
    std::fs::set_permissions(&rig.source, open).unwrap();

    let settings = ssh(&remote.sshd, "127.0.0.1");
    rig.configure(&format!("{settings}; accept-partial #true"));
    let said = rig.program.ends(0, &["backup", "web"]);
    assert!(
        said.err.contains("secret") && said.err.contains("closed"),
        "{}",
        said.err
    );
    let newest = rig.program.visible("web", "manual").pop().unwrap();
    assert_eq!(
        names_below(&rig.tree(&newest)),
        ["changes", "closed", "stays"]
    );
    remote.does_now(AS_ASKED);
    rig.recovers();
}

#[test]
fn a_file_that_cannot_be_read_for_a_bad_block_is_told() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let bad = rig.source.join("changes");
    remote.does_now(&format!(
        "eval \"exec strace -f -qq -o /dev/null -P '{}' -e trace=read -e inject=read:error=EIO $SSH_ORIGINAL_COMMAND\"",
        bad.display()
    ));
    rig.ends(
        13,
        "partial",
        &[
            "some files could not be read",
            "changes",
            "Input/output error",
        ],
    );
    remote.does_now(AS_ASKED);
    rig.recovers();
}

#[test]
fn a_file_that_vanishes_while_the_pull_goes_on_is_noted_and_the_snapshot_complete() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let settings = ssh(&remote.sshd, "127.0.0.1");
    std::fs::write(rig.source.join("vanishes"), "x").unwrap();
    let child = rig.half_way(&settings, 2);
    std::fs::remove_file(rig.source.join("vanishes")).unwrap();
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("file has vanished"), "{}", said.err);
    let run = rig.last_run();
    assert_eq!(run["status"], "complete");
    assert!(
        run["message"].as_str().unwrap().contains("vanishes"),
        "{run}"
    );
    rig.recovers();
}

#[test]
fn a_source_on_a_read_only_disk_is_pulled_like_any_other() {
    let remote = Remote::with(AS_ASKED);
    let rig = Rig::over_ssh(&remote.sshd);
    let at = rig.source.to_str().unwrap();
    let Some(mount) = Mount::new(&rig.source, &["--bind", at]) else {
        return;
    };
    mount.remount("bind,ro");
    std::fs::write(rig.source.join("new"), "x").unwrap_err();
    rig.recovers();
}

#[test]
fn a_source_that_is_empty_is_complete_and_told() {
    let rig = Rig::local();
    std::fs::remove_dir_all(&rig.source).unwrap();
    std::fs::create_dir(&rig.source).unwrap();
    let said = rig.program.ends(0, &["backup", "web"]);
    assert!(
        said.err.contains("is a disk of the host not mounted?"),
        "{}",
        said.err
    );
}
