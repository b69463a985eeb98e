//! A host behind another one: two real sshds, and an ssh that must use our key and our known hosts for both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;
use common::{Sshd, is_root};

struct Fixture {
    program: Program,
    host: Sshd,
    jump: Sshd,
}

impl Fixture {
    fn new(jump: Sshd, hooks: &str) -> Self {
        let fixture = Self {
            program: Program::new(),
            host: Sshd::start(),
            jump,
        };
        let program = &fixture.program;
        std::fs::create_dir(program.path("source")).unwrap();
        std::fs::write(program.path("source/file"), "x").unwrap();
        // Nothing in a path may mean anything to the shell that ssh hands its ProxyCommand to.
        let odd = program.path("it's 100% of $(touch pwned) \"odd\"");
        std::fs::create_dir(&odd).unwrap();
        let (key, hosts) = (odd.join("id"), odd.join("known hosts"));
        std::fs::copy(&fixture.host.identity, &key).unwrap();
        fixture
            .jump
            .let_in(&fixture.host.identity.with_extension("pub"));
        let both = std::fs::read_to_string(&fixture.host.known_hosts).unwrap()
            + &std::fs::read_to_string(&fixture.jump.known_hosts).unwrap();
        std::fs::write(&hosts, both).unwrap();
        let quoted = |path: &std::path::Path| format!("{:?}", path.to_str().unwrap());
        program.write(
            "pobsync.kdl",
            &format!(
                "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity {}; known-hosts {}; proxy-jump \"root@127.0.0.1:{}\" }} }}\n\
                 host \"web\" {{ address \"127.0.0.1\"; source \"{}\"; {hooks} }}",
                fixture.host.port,
                quoted(&key),
                quoted(&hosts),
                fixture.jump.port,
                program.path("source").display()
            ),
        );
        program.ends(0, &["init"]);
        program.ends(0, &["apply", "--yes"]);
        fixture
    }

    fn known_hosts(&self) -> std::path::PathBuf {
        self.program
            .path("it's 100% of $(touch pwned) \"odd\"")
            .join("known hosts")
    }
}

#[test]
fn a_host_behind_another_is_backed_up_with_our_key_and_our_known_hosts() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new(Sshd::start(), "");
    let program = &fixture.program;
    program.ends(0, &["test", "web"]);
    program.ends(0, &["backup", "web"]);
    assert!(!program.path("pwned").exists());

    // The jump's own key has to be known as well.
    std::fs::copy(&fixture.host.known_hosts, fixture.known_hosts()).unwrap();
    let said = program.ends(1, &["backup", "web"]);
    assert!(said.err.contains("host key"), "{}", said.err);
    assert!(!program.path("pwned").exists());
}

#[test]
fn the_connection_goes_through_the_other_host_and_nowhere_else() {
    if !is_root() {
        return;
    }
    let closed = Sshd::with(&["AllowTcpForwarding=no".to_owned()]);
    let fixture = Fixture::new(closed, "");
    let said = fixture.program.ends(1, &["backup", "web"]);
    assert!(
        said.err.contains("could not connect") || said.err.contains("broke"),
        "{}",
        said.err
    );
    assert_eq!(
        fixture.program.visible("web", "manual"),
        Vec::<String>::new()
    );
}

#[test]
fn hooks_of_a_host_behind_another_are_reached_too() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new(
        Sshd::start(),
        "hooks { remote-before \"pobsync-test-not-there\" }",
    );
    let said = fixture.program.ends(1, &["backup", "web"]);
    assert!(said.err.contains("the host has no program"), "{}", said.err);
}
