//! Whatever the documentation and the examples say is valid.

use super::*;

/// Every file below `folder` whose name ends with `end`.
fn below(folder: &Utf8Path, end: &str) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            found.extend(below(&path, end));
        } else if path.as_str().ends_with(end) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_block_of_the_documentation_is_valid() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = [root.join("README.md")]
        .into_iter()
        .chain(below(&root.join("examples"), ".md"));
    let mut blocks = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("```kdl\n").skip(1) {
            state(rest.split("```").next().unwrap());
            blocks += 1;
        }
    }
    assert!(blocks > 0);
}

#[test]
fn every_example_is_valid_and_none_is_left_out() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = below(&root.join("examples"), ".kdl");
    let mut read = std::collections::BTreeSet::new();
    // A file that stands for itself says the version; the others are what such files include.
    let is_whole = |path: &&Utf8PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.starts_with("/- kdl-version 2\n")
    };
    let schema = root.join("schema/pobsync.kdl");
    for path in all.iter().filter(is_whole).chain([&schema]) {
        let loaded = load(path);
        assert!(loaded.state.is_some(), "{}", loaded.report.text(false, 100));
        read.extend(loaded.files.into_iter().map(|file| file.path));
    }
    let left: Vec<_> = all.iter().filter(|path| !read.contains(*path)).collect();
    assert!(left.is_empty(), "no example includes {left:?}");
}
