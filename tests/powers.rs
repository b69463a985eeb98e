//! The service without root: as a user with a few capabilities, and as one with none at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Program, Said};
use common::{Sshd, assert_same_tree};

/// ssh wants a user who has a name.
const NOBODY: u32 = 65534;

struct Service {
    program: Program,
    /// The program where that user may call it.
    binary: PathBuf,
    source: PathBuf,
    powers: Option<&'static str>,
}

impl Service {
    fn new(powers: Option<&'static str>, host: impl FnOnce(&Program) -> String) -> Self {
        let program = Program::new();
        let binary = program.path("pobsync");
        std::fs::copy(env!("CARGO_BIN_EXE_pobsync"), &binary).unwrap();
        let source = program.path("source");
        std::fs::create_dir_all(source.join("closed/inner")).unwrap();
        for (name, owner, mode) in [
            ("theirs", 1001, 0o640),
            ("secret", 0, 0o600),
            ("runs-as-root", 0, 0o4755),
            ("closed/inner/file", 1002, 0o400),
        ] {
            let path = source.join(name);
            std::fs::write(&path, name).unwrap();
            std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("theirs", source.join("link")).unwrap();
        std::fs::hard_link(source.join("theirs"), source.join("again")).unwrap();
        for (name, owner, mode) in [("closed/inner", 1002, 0o500), ("closed", 1002, 0o555)] {
            let path = source.join(name);
            std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let host = host(&program);
        program.write(
            "pobsync.kdl",
            &format!(
                "global {{ backup-root \"ROOT\"; suspect-percent 0 }}\nhost \"web\" {{ {host}; source \"{}\"; retention {{ keep last=1; kinds \"manual\" }} }}\n",
                source.display()
            ),
        );
        for name in ["", "pobsync", "pobsync.kdl"] {
            std::os::unix::fs::chown(program.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let service = Self {
            program,
            binary,
            source,
            powers,
        };
        service.ends(0, &["init"]);
        service.ends(0, &["apply", "--yes"]);
        service
    }

    fn ends(&self, code: i32, args: &[&str]) -> Said {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--no-new-privs",
        ]);
        match self.powers {
            Some(powers) => command.args([
                &format!("--bounding-set=-all,{powers}"),
                &format!("--inh-caps=-all,{powers}"),
                &format!("--ambient-caps=-all,{powers}"),
            ]),
            None => command.args(["--bounding-set=-all", "--inh-caps=-all"]),
        };
        let output = command
            .arg(&self.binary)
            .args(args)
            .current_dir(self.program.path(""))
            .env("HOME", "/nonexistent")
            .env("POBSYNC_DATABASE", self.program.path("state/pobsync.db"))
            .env("XDG_STATE_HOME", self.program.path("state"))
            .env("POBSYNC_FILE", self.program.path("pobsync.kdl"))
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = Said::of(output);
        assert_eq!(said.code, code, "{args:?}\n{}\n{}", said.out, said.err);
        said
    }

    /// The newest snapshot's copy of the source.
    fn newest(&self) -> PathBuf {
        let newest = self.program.visible("web", "manual").pop().unwrap();
        let data = self.program.data("web", "manual", &newest);
        data.join(self.source.strip_prefix("/").unwrap())
    }

    /// All that a service does with what it has pulled.
    fn works(&self) {
        let before = self.newest();
        self.ends(0, &["backup", "web"]);
        for name in ["secret", "closed/inner/file"] {
            let ino = |tree: &Path| tree.join(name).metadata().unwrap().ino();
            assert_eq!(ino(&before), ino(&self.newest()), "{name} is linked");
        }
        self.ends(0, &["verify", "web"]);
        self.ends(0, &["du", "web"]);
        self.ends(0, &["retention", "web", "--apply", "--yes"]);
        assert_eq!(self.program.visible("web", "manual").len(), 1);
        self.ends(0, &["check", "--repair", "--yes"]);
    }
}

#[test]
fn a_user_with_a_few_capabilities_keeps_everything_as_it_is() {
    let powers = "+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+setfcap";
    for way in ["link-dest", "fast"] {
        let service = Service::new(Some(powers), |_| {
            format!("address \"local\"; rsync {{ incremental \"{way}\" }}")
        });
        service.ends(0, &["backup", "web"]);
        assert_same_tree(&service.source, &service.newest());
        service.works();
        assert_same_tree(&service.source, &service.newest());
    }
}

#[test]
fn a_user_with_none_keeps_owners_and_modes_beside_the_files_and_root_restores_them() {
    let sshd = Sshd::start();
    let service = Service::new(None, |program| {
        let identity = program.path("identity");
        std::fs::copy(&sshd.identity, &identity).unwrap();
        std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&identity, Some(NOBODY), Some(NOBODY)).unwrap();
        let known_hosts = program.path("known_hosts");
        std::fs::copy(&sshd.known_hosts, &known_hosts).unwrap();
        std::os::unix::fs::chown(&known_hosts, Some(NOBODY), Some(NOBODY)).unwrap();
        format!(
            "address \"127.0.0.1\"; ssh {{ port {}; user \"root\"; identity \"{}\"; known-hosts \"{}\" }}; rsync {{ fake-super #true }}",
            sshd.port,
            identity.display(),
            known_hosts.display()
        )
    });
    service.ends(0, &["backup", "web"]);
    let file = service.newest().join("runs-as-root").metadata().unwrap();
    assert_eq!(
        (file.uid(), file.mode() & 0o7000),
        (NOBODY, 0),
        "nothing here is anybody else's"
    );
    service.works();

    let back = service.program.path("back");
    let (root, to) = (service.program.root(), back.to_str().unwrap());
    let source = service.source.to_str().unwrap();
    let root = root.to_str().unwrap();
    service.program.ends(
        0,
        &[
            "restore", "web", source, "--flat", "--to", to, "--root", root,
        ],
    );
    assert_same_tree(&service.source, &back.join("source"));
}
