//! The files of `examples` that put the program to work: every command line in them is one that it takes, and every tool
//! that reads such a file here finds nothing wrong with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Program, Said};
use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The words after `pobsync` where a line calls it; nothing where it does not, or where a word depends on a variable.
fn call(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let line = line.strip_prefix("ExecStart=").unwrap_or(line);
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = match first {
        "docker" => rest.strip_prefix("compose run --rm web ")?,
        "exec" => rest.strip_prefix("pobsync ")?,
        _ if first == "pobsync" || first.ends_with("/pobsync") => rest,
        _ => return None,
    };
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in rest.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => words.last_mut().unwrap().push(c),
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            None if "#|&;<>)".contains(c) => break,
            None => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    let is_fixed = !rest.contains('$') && !words.iter().any(|w| w.contains('…') || w.contains('['));
    is_fixed.then_some(words)
}

/// Every command line of a text; of Markdown what stands in its shell blocks.
fn calls(path: &Path, text: &str) -> Vec<Vec<String>> {
    let is_markdown = path.extension().is_some_and(|e| e == "md");
    let mut is_shell = !is_markdown;
    let mut found = Vec::new();
    for line in text.lines() {
        if is_markdown && line.starts_with("```") {
            is_shell = line.starts_with("```sh");
        } else if is_shell {
            found.extend(line.split(" && ").filter_map(call));
        }
    }
    found
}

/// Help is printed instead of anything being done, once all that stands before it was understood.
fn is_taken(program: &Program, words: &[String]) -> Result<(), String> {
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("--help");
    let Said { code, err, .. } = program.run(&args);
    if code == 0 { Ok(()) } else { Err(err) }
}

#[test]
fn every_command_line_that_is_shown_is_one_that_the_program_takes() {
    let program = Program::new();
    let mut files = vec![repository().join("README.md")];
    walk(&repository().join("examples"), &mut files);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in files {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        // There it is the name of a user.
        if path.ends_with("sudoers") {
            continue;
        }
        for words in calls(&path, &text) {
            seen += 1;
            if let Err(error) = is_taken(&program, &words) {
                wrong.push(format!(
                    "{}: pobsync {}\n{error}",
                    path.display(),
                    words.join(" ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "the walk found the command lines: {seen}");
    let no = ["serve".to_owned(), "--no-such-flag".to_owned()];
    assert!(is_taken(&program, &no).is_err(), "a wrong one is found");
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("examples/docker/compose.yaml")).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_containers_run_what_the_program_takes_and_keep_what_they_must() {
    let program = Program::new();
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let names: Vec<&String> = services.keys().collect();
    assert_eq!(
        names,
        [
            "mariadb",
            "scheduler",
            "scheduler-mariadb",
            "web",
            "web-mariadb"
        ]
    );
    let volumes: Vec<&String> = compose["volumes"].as_object().unwrap().keys().collect();
    assert_eq!(volumes, ["database", "mariadb", "root"]);
    for (name, service) in services.iter().filter(|(name, _)| *name != "mariadb") {
        is_taken(&program, &strings(&service["command"])).unwrap();
        let test = strings(&service["healthcheck"]["test"]);
        if test[0] == "CMD" {
            assert_eq!(test[1], "pobsync");
            is_taken(&program, &test[2..]).unwrap();
        }
        let mounts = strings(&service["volumes"]);
        assert!(
            mounts.contains(&"database:/var/lib/pobsync".to_owned()),
            "{name}: {mounts:?}"
        );
        assert!(
            mounts.contains(&"root:/opt/pobsync".to_owned()),
            "{name}: {mounts:?}"
        );
        assert_eq!(strings(&service["cap_drop"]), ["ALL"]);
        assert_eq!(service["read_only"], true);
        let build = &service["build"];
        let context = repository()
            .join("examples/docker")
            .join(build["context"].as_str().unwrap());
        assert!(
            context
                .join(build["dockerfile"].as_str().unwrap())
                .is_file()
        );
    }
    assert_eq!(strings(&services["web"]["ports"]), ["127.0.0.1:8010:8010"]);
    let grace = services["scheduler"]["stop_grace_period"].as_str().unwrap();
    assert!(grace.trim_end_matches('s').parse::<u32>().unwrap() > 60);
}

/// The password is in a file that both ends read, and in nothing else.
#[test]
fn the_containers_with_mariadb_find_its_server_and_their_password() {
    let compose = compose();
    let services = &compose["services"];
    assert_eq!(
        compose["secrets"]["mariadb-password"]["file"],
        "./secrets/mariadb-password"
    );
    let secret = "/run/secrets/mariadb-password";
    let server = &services["mariadb"];
    assert_eq!(server["environment"]["MARIADB_PASSWORD_FILE"], secret);
    for name in ["web-mariadb", "scheduler-mariadb", "mariadb"] {
        assert_eq!(strings(&services[name]["profiles"]), ["mariadb"], "{name}");
        assert_eq!(strings(&services[name]["secrets"]), ["mariadb-password"]);
    }
    for name in ["web-mariadb", "scheduler-mariadb"] {
        let service = &services[name];
        let condition = &service["depends_on"]["mariadb"]["condition"];
        assert_eq!(condition, "service_healthy", "{name}");
        let url = service["environment"]["POBSYNC_DATABASE"].as_str().unwrap();
        let said = Program::new().run(&["hosts", "--database", url]);
        assert_eq!(said.code, 69, "{}", said.err);
        assert!(said.err.contains(secret), "{}", said.err);
        let of_server = &server["environment"];
        for part in ["MARIADB_USER", "MARIADB_DATABASE"] {
            assert!(url.contains(of_server[part].as_str().unwrap()), "{url}");
        }
    }
}

/// What is copied into the image is there, and enough for the program to be built from.
#[test]
fn the_image_is_built_from_files_that_are_there() {
    let text = read("examples/docker/Dockerfile");
    let ignored = read("examples/docker/Dockerfile.dockerignore");
    let sent: Vec<&str> = ignored.lines().collect();
    let mut copied = Vec::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
    {
        let words: Vec<&str> = line
            .split(' ')
            .skip(1)
            .filter(|word| !word.starts_with("--"))
            .collect();
        let (_, sources) = words.split_last().unwrap();
        for source in sources {
            assert!(repository().join(source).exists(), "{source}");
            copied.push((*source).to_owned());
            assert!(
                sent.contains(&format!("!{source}").as_str()),
                "{source} is not sent to the build"
            );
        }
    }
    let mut sources = Vec::new();
    walk(&repository().join("src"), &mut sources);
    for path in sources
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        // Those of tests are not needed for a build.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for piece in code.split("include_str!(\"").skip(1) {
            let name = piece.split('"').next().unwrap();
            let file = path.parent().unwrap().join(name).canonicalize().unwrap();
            let below = file
                .strip_prefix(repository().canonicalize().unwrap())
                .unwrap()
                .to_owned();
            assert!(
                copied.iter().any(|start| below.starts_with(start)),
                "{} is not copied",
                below.display()
            );
        }
    }
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("CMD "))
        .unwrap();
    let command: Value = serde_json::from_str(command).unwrap();
    is_taken(&Program::new(), &strings(&command)).unwrap();
}

#[test]
fn the_first_start_of_a_container_makes_the_database_and_later_ones_keep_it() {
    let program = Program::new();
    let bin = program.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pobsync"), bin.join("pobsync")).unwrap();
    let text = read("examples/docker/entrypoint")
        .replace("/opt/pobsync/backups", program.root().to_str().unwrap());
    let entrypoint = program.path("entrypoint");
    std::fs::write(&entrypoint, text).unwrap();
    let start = |args: &[&str]| {
        let output = Command::new("sh")
            .arg(&entrypoint)
            .args(args)
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("POBSYNC_DATABASE", program.path("state/pobsync.db"))
            .current_dir(program.path("bin"))
            .output();
        Said::of(output.unwrap())
    };
    assert_ne!(
        start(&["hosts"]).code,
        0,
        "only the services make a database"
    );
    for _ in 0..2 {
        let said = start(&["scheduler", "--once"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    assert_eq!(
        program.json(0, &["history"])["changes"]
            .as_array()
            .map_or(1, Vec::len),
        1
    );
}

#[test]
fn the_health_of_the_pages_is_asked_under_the_name_that_they_answer_to() {
    use std::io::BufRead as _;
    let program = Program::new();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    let test = strings(&compose()["services"]["web"]["healthcheck"]["test"]);
    assert_eq!(test[0], "CMD-SHELL");
    for url in [
        "https://backup.example.net",
        "https://backup.example.net:8443/",
        "http://127.0.0.1:8010",
    ] {
        let mut server = program
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .env("POBSYNC_PUBLIC_URL", url)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = std::io::BufReader::new(server.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("Listening on ")
            .and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("{line}"));
        // Compose writes a dollar as two.
        let script = test[1]
            .replace("$$", "$")
            .replace("http://127.0.0.1:8010/", &format!("http://{address}/"));
        let probe = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).env("POBSYNC_PUBLIC_URL", url);
            Said::of(shell.output().unwrap())
        };
        let healthy = probe(&script);
        let sick = probe(&script.replace("/healthz", "/nowhere"));
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(healthy.code, 0, "{url}: {}", healthy.err);
        assert_ne!(sick.code, 0, "{url}");
    }
}

fn is_here(tool: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    let is_here = found.unwrap().status.success();
    if !is_here {
        eprintln!("skipped: {tool} is not here");
    }
    is_here
}

#[test]
fn the_units_are_ones_that_systemd_takes() {
    if !is_here("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["pobsync-scheduler.service", "pobsync-web.service"] {
        let text = read(&format!("examples/systemd/{name}"));
        assert!(text.contains("ExecStart=/usr/local/bin/pobsync "), "{name}");
        let path = folder.path().join(name);
        // systemd looks for the program.
        let text = text.replace("/usr/local/bin/pobsync", env!("CARGO_BIN_EXE_pobsync"));
        std::fs::write(&path, text).unwrap();
        let verified = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(
            verified.status.success() && said.is_empty(),
            "{name}: {said}"
        );
    }
}

#[test]
fn the_package_holds_a_program_that_runs_and_units_that_find_it() {
    if !is_here("dpkg-deb") || !is_here("strip") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let built = Command::new(repository().join("examples/debian/build"))
        .arg(folder.path())
        .env("POBSYNC_BINARY", env!("CARGO_BIN_EXE_pobsync"))
        // Packing an unoptimised program tightly takes half a minute.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
        .output();
    let said = Said::of(built.unwrap());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let package = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let root = folder.path().join("root");
    let admin = root.join("var/lib/dpkg");
    std::fs::create_dir_all(admin.join("info")).unwrap();
    std::fs::create_dir(admin.join("updates")).unwrap();
    std::fs::write(admin.join("status"), "").unwrap();
    std::fs::write(admin.join("available"), "").unwrap();
    let dpkg = |action: &str, what: &std::ffi::OsStr| {
        let done = Command::new("dpkg")
            .arg(format!("--root={}", root.display()))
            .args(["--force-depends", "--force-script-chrootless", action])
            .arg(what)
            .output();
        let said = Said::of(done.unwrap());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    };
    dpkg("--install", package.as_os_str());
    let version = Command::new(root.join("usr/bin/pobsync"))
        .arg("--version")
        .output()
        .unwrap();
    assert!(version.status.success());
    for name in ["pobsync-scheduler", "pobsync-web"] {
        let unit = root.join(format!("lib/systemd/system/{name}.service"));
        let text = std::fs::read_to_string(unit).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/pobsync "), "{text}");
    }
    for file in [
        "usr/share/man/man1/pobsync.1.gz",
        "usr/share/bash-completion/completions/pobsync",
        "usr/share/zsh/vendor-completions/_pobsync",
        "usr/share/fish/vendor_completions.d/pobsync.fish",
        "usr/lib/tmpfiles.d/pobsync.conf",
        "usr/share/doc/pobsync/copyright",
        "usr/share/doc/pobsync/host/authorized_keys",
    ] {
        assert!(root.join(file).metadata().unwrap().len() > 50, "{file}");
    }
    dpkg("--remove", "pobsync".as_ref());
    assert!(!root.join("usr/bin/pobsync").exists());
    let fields = Command::new("dpkg-deb")
        .arg("-f")
        .arg(&package)
        .output()
        .unwrap();
    let fields = String::from_utf8(fields.stdout).unwrap();
    assert!(
        fields.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))),
        "{fields}"
    );
}

#[test]
fn the_bill_of_materials_names_what_is_built_in_and_what_pins_it() {
    let output = Command::new(repository().join(".ci/sbom"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lock = read("Cargo.lock");
    let components = bill["components"].as_array().unwrap();
    for component in components {
        let name = component["name"].as_str().unwrap();
        let sum = component["hashes"][0]["content"].as_str().unwrap();
        assert!(lock.contains(sum), "{component}");
        let is_licensed = component["licenses"][0]["expression"].is_string();
        // Its manifest says nothing; `.deny.toml` says what its file is.
        assert!(is_licensed || name == "webpki", "{component}");
    }
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    assert!(has("rusqlite") && has("kdl"));
    assert!(!has("proptest"), "what only tests use");
    assert_eq!(bill["metadata"]["component"]["name"], "pobsync");
}
