//! Includes: which files are read, and which never.

use super::*;

#[test]
fn includes_stay_below_the_folder_whatever_links_say() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(
        outside.path().join("secret.kdl"),
        "host \"secret-content\" { }",
    )
    .unwrap();
    let folder = one("include \"hosts/*.kdl\"");
    std::fs::create_dir(folder.path().join("hosts")).unwrap();
    std::os::unix::fs::symlink(
        outside.path().join("secret.kdl"),
        folder.path().join("hosts/x.kdl"),
    )
    .unwrap();
    assert_eq!(folder.codes(), ["outside-root"]);
    assert!(!folder.report().contains("secret-content"));
}

#[test]
fn includes_are_bounded_in_depth_and_read_once() {
    let mut files: Vec<(String, String)> = (0..12)
        .map(|i| {
            (
                format!("{i}.kdl"),
                format!("include \"{}.kdl\" optional=#true", i + 1),
            )
        })
        .collect();
    files[0].0 = "pobsync.kdl".into();
    let named: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(Folder::of(&named).codes(), ["too-deep"]);
    let twice = Folder::of(&[
        ("pobsync.kdl", "include \"a*.kdl\"\ninclude \"a.kdl\""),
        ("a.kdl", ""),
    ]);
    assert_eq!(twice.codes(), ["included-twice"]);
}

#[test]
fn no_directory_outside_the_folder_is_looked_into() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("in")).unwrap();
    std::fs::write(outside.path().join("in/secret-name.kdl"), "").unwrap();
    for pattern in [
        "link/*/*.kdl",
        "link/in/*.kdl",
        "l?nk/*",
        "nowhere",
        "nowhere/x.kdl",
    ] {
        let folder = one(&format!("include \"{pattern}\" optional=#true"));
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/no/such/place", folder.path().join("nowhere")).unwrap();
        assert_eq!(folder.codes(), ["outside-root"], "{pattern}");
        assert!(
            !folder.report().contains("secret-name"),
            "{}",
            folder.report()
        );
    }
    let folder = one("include \"**/*.kdl\"");
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    assert_eq!(
        folder.codes(),
        ["include-cycle"],
        "`**` goes through no link, and meets the file itself"
    );
}

#[test]
fn patterns_mean_plain_files_in_order_and_no_hidden_ones() {
    let host = |name: &str| format!("host \"{name}\" {{ address \"a\"; source \"/\" }}\n");
    let (b, a, c) = (host("b"), host("a"), host("c"));
    let folder = Folder::of(&[
        (
            "pobsync.kdl",
            "include \"hosts/**/*.kdl\"\ninclude \"none/*\" optional=#true\n",
        ),
        ("hosts/b.kdl", &b),
        ("hosts/a.kdl", &a),
        ("hosts/deep/er/c.kdl", &c),
        ("hosts/.b.kdl", "not read"),
        ("hosts/dir.kdl/x", "not read"),
    ]);
    let loaded = folder.load();
    let root = folder.path();
    let names: Vec<_> = loaded
        .files
        .iter()
        .map(|file| file.path.strip_prefix(&root).unwrap().as_str())
        .collect();
    assert_eq!(
        names,
        [
            "pobsync.kdl",
            "hosts/a.kdl",
            "hosts/b.kdl",
            "hosts/deep/er/c.kdl"
        ]
    );
    assert_eq!(loaded.state.map(|state| state.hosts.len()), Some(3));
}

#[test]
fn a_pipe_is_told_and_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = one("include \"hosts/*.kdl\"");
    std::fs::create_dir(folder.path().join("hosts")).unwrap();
    let pipe = folder.path().join("hosts/a.kdl");
    mknodat(CWD, pipe.as_str(), FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(folder.codes(), ["unreadable"]);
}

#[test]
fn what_a_missing_file_would_have_brought_is_not_told_to_be_missing() {
    let folder = one("include \"groups.kdl\"\nhost \"a\" group=\"web\" { address \"a\" }\n");
    assert_eq!(folder.codes(), ["no-match"]);
}
