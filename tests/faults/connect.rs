//! No connection comes about: nobody there, nobody who answers, or nobody who is let in.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::Sshd;
use crate::common::program::Program;
use crate::network::{HOST, Network};
use crate::rig::{Rig, ssh};

/// Who says nothing for so long is given up while connecting, too.
const IMPATIENT: &str = "rsync { timeout \"4s\" }";

#[test]
fn a_host_that_is_down_or_has_no_address_is_worth_another_try() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let settings = ssh(&sshd, "127.0.0.1");
    rig.configure(&settings.replace(&format!("port {}", sshd.port), &format!("port {port}")));
    rig.fails(&["ssh could not connect", "Connection refused"]);
    rig.configure(&ssh(&sshd, "no-such-host.invalid"));
    rig.fails(&["ssh could not connect", "Could not resolve hostname"]);
    rig.recovers();
}

#[test]
fn a_host_that_never_answers_is_given_up() {
    let Some(network) = Network::new() else {
        return;
    };
    let far = Sshd::within(&network.on_host(), HOST, &[]);
    let hole = network.black_hole();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let rig = Rig::prepared(Program::within(network.on_server()), &ssh(&far, HOST), "");
            rig.configure(&format!("{}; {IMPATIENT}", ssh(&far, hole)));
            rig.fails(&["ssh could not connect", "timed out"]);
            rig.recovers();
        });
        scope.spawn(|| {
            let near = Sshd::start();
            let rig = Rig::over_ssh(&near);
            let port = mute.local_addr().unwrap().port();
            let settings = ssh(&near, "127.0.0.1");
            rig.configure(
                &settings.replace(&format!("port {}", near.port), &format!("port {port}")),
            );
            rig.fails(&["ssh could not connect", "timed out"]);
            rig.recovers();
        });
    });
}

#[test]
fn a_host_key_that_is_not_the_known_one_stops_everything_and_is_not_learnt() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    let good = ssh(&sshd, "127.0.0.1");
    let known = sshd.known_hosts.to_str().unwrap();

    let changed = rig.program.path("changed");
    let other = Sshd::start();
    let key = std::fs::read_to_string(&other.known_hosts).unwrap();
    let key = key.replace(&other.port.to_string(), &sshd.port.to_string());
    std::fs::write(&changed, &key).unwrap();
    rig.configure(&good.replace(known, changed.to_str().unwrap()));
    rig.fails(&["the host key has changed", "pobsync trust"]);
    assert_eq!(std::fs::read_to_string(&changed).unwrap(), key);

    let unknown = rig.program.path("unknown");
    std::fs::write(&unknown, "").unwrap();
    rig.configure(&good.replace(known, unknown.to_str().unwrap()));
    rig.fails(&["the host key is not trusted", "pobsync trust"]);
    assert_eq!(std::fs::read_to_string(&unknown).unwrap(), "");

    let absent = rig.program.path("absent");
    rig.configure(&good.replace(known, absent.to_str().unwrap()));
    rig.fails(&["the host key is not trusted", "pobsync trust"]);
    assert!(!absent.exists());
    rig.recovers();
}

#[test]
fn a_key_that_is_refused_readable_by_others_or_gone_is_told_as_such() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    let authorized = sshd.identity.with_file_name("authorized_keys");
    let keys = std::fs::read(&authorized).unwrap();
    std::fs::write(&authorized, "").unwrap();
    rig.fails(&["ssh was refused", "authorized_keys"]);
    std::fs::write(&authorized, keys).unwrap();

    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&sshd.identity, mode).unwrap();
    };
    mode(0o644);
    rig.fails(&["can be read by others", "chmod 0600"]);
    let check = rig.program.run(&["check"]);
    assert!(check.out.contains("can be read by others"), "{}", check.out);
    mode(0o600);

    let good = ssh(&sshd, "127.0.0.1");
    let gone = rig.program.path("gone");
    rig.configure(&good.replace(sshd.identity.to_str().unwrap(), gone.to_str().unwrap()));
    rig.fails(&["the ssh key cannot be read", "gone"]);
    rig.recovers();
}
