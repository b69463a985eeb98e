//! Whether a crate that is known to be bad would be told.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where `./tests/run` finds it or puts it.
fn cargo_deny() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&paths).map(|folder| folder.join("cargo-deny"));
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/cargo-deny");
    installed.chain([fetched]).find(|program| program.exists())
}

fn check(deny: &Path, more: Option<&Path>) -> Output {
    Command::new(".ci/advisories/check")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(deny)
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_locked_version_with_an_advisory_is_told_by_crate_version_and_advisory() {
    let Some(deny) = cargo_deny() else {
        eprintln!("cargo-deny is not here: see ./tests/run");
        return;
    };
    let as_it_is = check(&deny, None);
    assert!(
        as_it_is.status.success(),
        "{}",
        String::from_utf8_lossy(&as_it_is.stderr)
    );
    let lock = std::fs::read_to_string("Cargo.lock").unwrap();
    let after = lock.split("name = \"kdl\"\nversion = \"").nth(1).unwrap();
    let version = after.split('"').next().unwrap();

    let more = tempfile::tempdir().unwrap();
    std::fs::create_dir(more.path().join("kdl")).unwrap();
    let advisory = |patched: &str| {
        let text = format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2099-0001\"\npackage = \"kdl\"\ndate = \"2026-01-01\"\n\n[versions]\npatched = [\"{patched}\"]\n```\n\n# A made-up one\n"
        );
        std::fs::write(more.path().join("kdl/RUSTSEC-2099-0001.md"), text).unwrap();
    };
    advisory(&format!("> {version}"));
    let told = check(&deny, Some(more.path()));
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(!told.status.success(), "{said}");
    for word in [
        "RUSTSEC-2099-0001",
        "A made-up one",
        &format!("kdl {version}"),
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    advisory(&format!(">= {version}"));
    assert!(check(&deny, Some(more.path())).status.success());
}
