use std::process::Command;

use crate::repository::Repository;

/// Commits what is staged with the hook in place: whether git let it, and what was said.
fn commit(repository: &Repository) -> (bool, String) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_pobsync"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let done = Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.net",
            "commit",
            "--quiet",
            "--message",
            "x",
        ])
        .current_dir(repository.path("work"))
        .env("PATH", path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("POBSYNC_FILE")
        .output()
        .unwrap();
    (
        done.status.success(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

#[test]
fn what_is_staged_is_valid_and_formatted_or_it_is_not_committed() {
    let repository = Repository::new();
    std::os::unix::fs::symlink(
        "../../ci/pre-commit",
        repository.path("work/.git/hooks/pre-commit"),
    )
    .unwrap();
    repository.edit("prod/web.kdl", "address", "adress");
    repository.git("work", &["add", "--all"]);
    let (is_in, said) = commit(&repository);
    assert!(!is_in && said.contains("adress"), "{said}");

    // Mended in the folder and not staged: what would be committed is still wrong.
    repository.edit("prod/web.kdl", "adress", "address");
    assert!(!commit(&repository).0);
    repository.edit(
        "prod/web.kdl",
        "retention \"standard\"",
        "retention   \"standard\"",
    );
    repository.git("work", &["add", "--all"]);
    let (is_in, said) = commit(&repository);
    assert!(!is_in && said.contains("Not committed"), "{said}");
    repository.edit(
        "prod/web.kdl",
        "retention   \"standard\"",
        "retention \"short\"",
    );
    repository.git("work", &["add", "--all"]);
    let (is_in, said) = commit(&repository);
    assert!(is_in, "{said}");
    // A commit without any KDL is none of the hook's business.
    repository.edit("README.md", "# A configuration repository", "# Ours");
    repository.git("work", &["add", "--all"]);
    assert!(commit(&repository).0);
}
