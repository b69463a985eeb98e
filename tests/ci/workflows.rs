//! What the workflow files themselves say: they parse, they run nothing of strangers, and every script they name is there.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Every YAML file of the examples and of the repository's own dotfiles, parsed.
fn files() -> Vec<(PathBuf, Value)> {
    let mut found = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml")];
    walk(&examples(), &mut found);
    let parsed = found.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let value =
            serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, value)
    });
    parsed.collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            found.push(path);
        }
    }
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| strings(one, found)),
        Value::Object(all) => all.values().for_each(|one| strings(one, found)),
        _ => {}
    }
}

#[test]
fn every_yaml_file_parses_and_every_script_it_names_is_there() {
    let all = files();
    let workflows = all
        .iter()
        .filter(|(path, _)| path.starts_with(examples().join("ci")));
    assert_eq!(
        workflows.count(),
        7,
        "three for each of two forges, and GitLab's one"
    );
    let mut named = std::collections::BTreeSet::new();
    for (path, value) in &all {
        let mut texts = Vec::new();
        strings(value, &mut texts);
        for text in texts {
            for word in text.split(|c: char| c.is_whitespace() || c == ';') {
                if let Some(script) = word.strip_prefix("ci/").filter(|s| s.ends_with(".sh")) {
                    let script = examples().join("ci").join(script);
                    let mode = std::os::unix::fs::PermissionsExt::mode(
                        &std::fs::metadata(&script)
                            .unwrap_or_else(|_| panic!("{}: {word}", path.display()))
                            .permissions(),
                    );
                    assert!(mode & 0o111 != 0, "{word} can be run");
                    named.insert(word.to_owned());
                }
            }
        }
    }
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        [
            "ci/apply.sh",
            "ci/comment.sh",
            "ci/drift.sh",
            "ci/plan.sh",
            "ci/publish-inventory.sh"
        ]
    );
}

#[test]
fn the_workflows_run_nothing_of_strangers_and_paste_nothing_into_a_shell() {
    for (path, value) in files() {
        let shown = path.display();
        let Some(jobs) = value["jobs"].as_object() else {
            continue;
        };
        assert!(value["on"]["pull_request_target"].is_null(), "{shown}");
        for (name, job) in jobs {
            for step in job["steps"].as_array().unwrap() {
                if let Some(uses) = step["uses"].as_str() {
                    assert!(
                        uses.starts_with("actions/checkout@"),
                        "{shown} {name}: {uses}"
                    );
                }
                // A branch's name or an input is the text of a stranger: it reaches a shell as a variable alone.
                let run = step["run"].as_str().unwrap_or_default();
                assert!(!run.contains("${{"), "{shown} {name}: {run}");
            }
            let writes = path.ends_with("pobsync-apply.yml") || path.ends_with("pobsync-drift.yml");
            let is_queued = job["concurrency"]["cancel-in-progress"] == false;
            assert!(
                !writes || is_queued,
                "{shown}: an apply is never cut off, and never two at once"
            );
        }
        if path.starts_with(examples().join("ci/github")) {
            assert!(
                value["permissions"].is_object(),
                "{shown} asks for what it needs alone"
            );
        }
    }
}
