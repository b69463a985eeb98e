//! What reads the words of others, and says in short what it made of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use pobsync::config::{self, Bundle, LegacyFile};
use pobsync::core::manifest::Line;
use pobsync::core::model::Timestamp;
use pobsync::core::plan::Plan;
use pobsync::core::schedule::Cron;
use pobsync::core::usage::Usage;
use pobsync::disk::SnapshotMeta;
use pobsync::ops::{self, ApplyRequest, Context, PlanRequest, Sent};
use pobsync::render::{self, Style};
use pobsync::rsync::{self, Room};

/// A reader, and words that mean something to it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) words: &'static [&'static str],
    /// Reads an input and says in short what came of it: inputs of which it says something new are bred on.
    pub(crate) read: fn(&[u8]) -> String,
}

pub(crate) const TARGETS: [Target; 8] = [
    Target {
        name: "kdl",
        words: &[
            "global {",
            "host \"a\" {",
            "group \"g\" {",
            "retention \"r\" {",
            "schedule \"s\" cron=\"@daily\"",
            "include \"*.kdl\"",
            "removed \"x\" snapshots=\"delete\"",
            "/-",
            "/*",
            "*/",
            "//",
            "r#\"",
            "\"\"\"",
            "#true",
            "#null",
            "(env)\"X\"",
            "(file)\"/x\"",
            "keep last=1",
            "source \"/\"",
            "exclude reset=#true",
            "address \"local\"",
            "was=\"b\"",
            "limits { max-files 1 }",
            "\\u{",
            "backup-root \"/mnt\"",
            "guard { max-delete 1 }",
            "notify \"n\" on=\"failure\" {",
            "timezone \"Europe/Amsterdam\"",
            ";",
            "/- kdl-version 2\n",
            "rsync {",
            "ssh {",
            "hooks {",
            "verify every=\"1d\"",
            "smtp {",
        ],
        read: kdl,
    },
    Target {
        name: "plan",
        words: &[
            "\"format_version\":",
            "null",
            "true",
            "[]",
            "{}",
            "\"delete\":",
            "\"keep\":",
            "\"reasons\":",
            "1e999",
            "\\ud800",
            "sha256:",
        ],
        read: plan,
    },
    Target {
        name: "meta",
        words: &[
            "\"name\":",
            "\"host\":",
            "\"kind\":",
            "\"format_version\":",
            "null",
            "{}",
            "[",
            "20261122-021500Z__ab12cd",
            "\\u0000",
        ],
        read: meta,
    },
    Target {
        name: "manifest",
        words: &[
            "d ",
            "f ",
            "l ",
            "..",
            "\\x",
            "\\\\",
            "end ",
            "unreadable",
            "0644",
            "\n",
        ],
        read: manifest,
    },
    Target {
        name: "legacy",
        words: &[
            "&a ",
            "*a",
            "<<: ",
            "!!binary ",
            "- ",
            ": ",
            "|\n",
            ">\n",
            "? ",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "{",
            "[",
            "# ",
            "retention:\n",
            "hosts:",
            "ssh:\n",
            "includes:",
            "excludes:",
            "~",
            "0x7f",
            ".inf",
            "address: ",
        ],
        read: legacy,
    },
    Target {
        name: "rsync",
        words: &[
            "Number of files: ",
            " (reg: ",
            "Total file size: ",
            "skipping non-regular file ",
            "rsync: [sender] ",
            "rsync error: ",
            "// => ",
            "//\n",
            ".f          ",
            ">f+++++++++ ",
            "cd+++++++++ ",
            "hf          ",
            "\\#012",
            "\\#134",
            "file has vanished: ",
            "link_stat \"",
            "  32768 100%    0.00kB/s    0:00:00 (xfr#1, to-chk=0/3)",
            "No space left on device",
            "Permission denied (publickey)",
        ],
        read: said_by_rsync,
    },
    Target {
        name: "cron",
        words: &[
            "*",
            "*/",
            "-",
            ",",
            "@daily",
            "@reboot",
            "L",
            "#",
            "?",
            "mon",
            "jan",
            "0 0 31 2 *",
            "7",
            "  ",
        ],
        read: cron,
    },
    Target {
        name: "api",
        words: &[
            "{\"configuration\":",
            "\"entry\":",
            "\"files\":{",
            "\"a.kdl\":\"",
            "\"revision\":",
            "\"hosts\":[",
            "\"kinds\":[\"manual\"]",
            "\"as_of\":\"9999-12-31T23:59:59Z\"",
            "\"expect\":\"sha256:",
            "include \\\"*\\\"",
            "../",
            "\\u0000",
        ],
        read: api,
    },
];

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// The words of a message without what it quotes and counts.
fn shape(message: &str) -> String {
    let mut is_quoted = false;
    let plain = message.chars().filter(|c| {
        is_quoted ^= matches!(c, '"' | '`' | '\'');
        !is_quoted && (c.is_alphabetic() || *c == ' ')
    });
    plain.take(60).collect()
}

/// One file, and with NULs in it several that include each other.
fn kdl(input: &[u8]) -> String {
    let mut files = input.split(|byte| *byte == 0);
    let first = files.next().unwrap_or_default();
    let names = ["a.kdl", "hosts/b.kdl", "hosts/c.kdl", "d/e/f.kdl"];
    let others = names.into_iter().map(str::to_owned).zip(files.map(text));
    let sent: std::collections::BTreeMap<String, String> = others
        .chain([("pobsync.kdl".to_owned(), text(first))])
        .collect();
    let loaded = match sent.len() {
        1 => config::load_text("pobsync.kdl", first.to_vec()),
        _ => match Bundle::new("pobsync.kdl", sent) {
            Ok(bundle) => config::load_bundle(bundle),
            Err(error) => return error.to_string(),
        },
    };
    let report = &loaded.report;
    let codes: BTreeSet<String> = report
        .findings()
        .iter()
        .map(|f| f.code.to_string() + &shape(&f.message))
        .collect();
    let _ = (report.text(true, 80), report.warnings());
    // What is laid out holds the same, or is left as it was.
    let laid_out = config::lay_out_text("pobsync.kdl", first.to_vec());
    let mut said = format!(
        "{} {codes:?}",
        laid_out.files.iter().any(config::LaidOutFile::is_changed)
    );
    if let Some(state) = loaded.state {
        let wire = serde_json::to_string(&state).unwrap();
        let again: pobsync::core::desired::DesiredState = serde_json::from_str(&wire).unwrap();
        assert_eq!(
            serde_json::to_string(&again).unwrap(),
            wire,
            "the state is not read as it is written"
        );
        let _ = write!(said, "{}", state.hosts.len().min(5));
    }
    said
}

fn plan(input: &[u8]) -> String {
    match serde_json::from_slice::<Plan>(input) {
        Err(error) => shape(&error.to_string()),
        Ok(mut plan) => {
            let is_intact = plan.is_intact();
            plan.reseal();
            let _ = render::plan_text(&plan, &Style::default());
            let markdown = render::plan_markdown(&plan, render::BUDGET);
            assert!(markdown.len() <= render::BUDGET, "{} bytes", markdown.len());
            let _ = render::plan_html(&plan);
            format!(
                "{is_intact} {:?} {}",
                plan.outcome,
                plan.summary.deletions().min(9)
            )
        }
    }
}

fn meta(input: &[u8]) -> String {
    match SnapshotMeta::parse(input) {
        Ok(meta) => format!(
            "{:?} {}",
            meta.status,
            serde_json::to_string(&meta).unwrap().len() / 64
        ),
        Err(error) => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            shape(&(error.to_string() + &why.unwrap_or_default()))
        }
    }
}

/// Lines of a manifest; what reads as one is written as it was.
fn manifest(input: &[u8]) -> String {
    let text = text(input);
    let mut said = BTreeSet::new();
    for line in text.lines() {
        said.insert(match Line::parse(line) {
            Err(error) => error.to_string(),
            Ok(parsed) => {
                let mut written = String::new();
                parsed.write(&mut written);
                let again =
                    Line::parse(written.trim_end_matches('\n')).expect("what was written is read");
                let mut twice = String::new();
                again.write(&mut twice);
                assert_eq!(written, twice);
                written.chars().take(1).collect()
            }
        });
    }
    let usage = Usage::parse(&text).map(|usage| usage.total().min(1));
    format!("{said:?} {usage:?}")
}

fn legacy(input: &[u8]) -> String {
    let mut files = input.splitn(2, |byte| *byte == 0).map(text);
    let file = |path: &str, text: String| LegacyFile {
        path: path.to_owned(),
        text,
    };
    let host = file("config/hosts/web.yaml", files.next().unwrap_or_default());
    let global = files.next().map(|text| file("config/global.yaml", text));
    let legacy = config::read_legacy(global.as_ref(), &[host]);
    let notes: BTreeSet<String> = legacy.notes.iter().map(|note| shape(&note.what)).collect();
    let hosts: Vec<_> = legacy
        .hosts
        .iter()
        .map(|(name, settings)| (name, settings))
        .collect();
    if !legacy.has_mistakes() {
        let _ = config::write_legacy(&legacy.global, &hosts);
    }
    format!("{} {notes:?}", hosts.len())
}

/// Its first byte is the exit code, what stands before a NUL standard output.
fn said_by_rsync(input: &[u8]) -> String {
    let (exit, words) = input.split_first().unwrap_or((&0, &[]));
    let mut streams = words.splitn(2, |byte| *byte == 0);
    let (out, err) = (
        streams.next().unwrap_or_default(),
        streams.next().unwrap_or_default(),
    );
    let mut said = String::new();
    for list in [false, true] {
        let (ended, difference) = rsync::heard(out, err, i32::from(*exit), list);
        for room in [
            Room::default(),
            Room {
                bytes_free: 0,
                inodes_free: 0,
            },
        ] {
            let verdict = rsync::classify(&ended, exit % 2 == 0, room);
            let _ = write!(said, "{:?} {} ", verdict.class, shape(&verdict.message));
        }
        let _ = rsync::restored(&ended, true);
        let _ = rsync::brought(ended.clone(), &ended);
        match difference {
            Some(Ok(difference)) => {
                let names = difference
                    .list
                    .changed()
                    .map(|entry| difference.list.path_of(entry).len());
                let _ = write!(said, "{}", names.count().min(9));
            }
            Some(Err(surprise)) => said.push_str(&shape(&surprise.0)),
            None => {}
        }
    }
    said
}

fn cron(input: &[u8]) -> String {
    let cron = match Cron::parse(&text(input)) {
        Ok(cron) => cron,
        Err(error) => return shape(&error.to_string()),
    };
    let mut said = String::new();
    for zone in [
        chrono_tz::Tz::UTC,
        chrono_tz::Tz::Europe__Amsterdam,
        chrono_tz::Tz::America__St_Johns,
        chrono_tz::Tz::Antarctica__Troll,
    ] {
        for after in [0, 1_774_742_400_000, 1_793_000_000_000, 4_102_444_800_000] {
            let after = Timestamp::from_millis(after);
            let next = cron.next_after(zone, after);
            assert!(
                next.is_none_or(|next| next > after),
                "it does not come after"
            );
            let _ = write!(said, "{}", u8::from(next.is_some()));
        }
    }
    said
}

/// What a token may post: JSON, and KDL as it is.
fn api(input: &[u8]) -> String {
    static DATABASE: LazyLock<(tempfile::TempDir, String)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder
            .path()
            .join("state/pobsync.db")
            .to_str()
            .unwrap()
            .to_owned();
        Context::create(&camino::Utf8PathBuf::from(&path)).unwrap();
        (folder, path)
    });
    let context = Context::open(&camino::Utf8PathBuf::from(&DATABASE.1)).unwrap();
    let answer = |answered: Result<(), ops::Error>| match answered {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{:?} {}", error.outcome(), shape(&error.to_string())),
    };
    let asked = match serde_json::from_slice::<PlanRequest>(input) {
        Ok(request) => {
            answer(ops::plan_sent(&context, request).map(|plan| drop(render::document(&plan))))
        }
        Err(error) => shape(&error.to_string()),
    };
    let applied = match serde_json::from_slice::<ApplyRequest>(input) {
        Ok(request) => answer(ops::apply_sent(&context, request).map(drop)),
        Err(error) => shape(&error.to_string()),
    };
    let plain =
        answer(ops::plan_sent(&context, PlanRequest::of(Sent::alone(text(input)))).map(drop));
    format!("{asked} {applied} {plain}")
}
