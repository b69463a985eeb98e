//! Bringing parts of a snapshot back: onto this machine, or onto a host over the same ssh as pulling.
//!
//! Nothing that is there already is touched unless asked for, no link of the target is followed, and nothing is ever
//! deleted. Each pass is one call of rsync, whose words are here.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use super::Pull;
use super::process::{Ear, Ended, Progress, Started, Task, attend, command};
use super::stop::Stop;
use crate::core::model::AbsolutePath;

/// Where a restore goes.
#[derive(Debug, Clone)]
pub enum RestoreTarget {
    /// A directory of this machine.
    Folder(PathBuf),
    /// A directory of a host; the pull says how that is reached, and nothing else of it counts.
    Host(Box<Pull>, AbsolutePath),
}

/// One restore: every word that reaches rsync.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The tree of the snapshot, absolute.
    pub data: PathBuf,
    /// What is restored, below the tree, without a leading slash. Each is there, and no link is on the way to it.
    pub paths: Vec<OsString>,
    /// The directories that lead to them, each before those in it.
    pub parents: Vec<OsString>,
    /// Each path lands in the target under its last name alone.
    pub flat: bool,
    /// Where it goes.
    pub target: RestoreTarget,
    /// What is there already is replaced.
    pub overwrite: bool,
    /// Access control lists are restored.
    pub acls: bool,
    /// Extended attributes are restored.
    pub xattrs: bool,
}

/// What a look at the target has found, one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It would be made.
    New(Item),
    /// It is there, and would be replaced.
    Replaced(Item),
    /// It is there, and its attributes would be set.
    Attributes(Item),
    /// It is there, the same by size and time.
    Same,
    /// It is there and is another one, which stays; its path.
    Differs(String),
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the target. What is not UTF-8 is replaced; control characters stand as rsync writes them, `\#012`.
    pub path: String,
    /// Bytes of a plain file that would be written; nothing for all else.
    pub bytes: Option<u64>,
}

/// A name as rsync writes it into a look (log.c, filtered_fwrite): a control character but the tab is `\#012`, and so is a
/// backslash that looks like the beginning of one.
#[must_use]
pub fn written(path: &OsStr) -> String {
    let bytes = path.as_encoded_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let is_number =
            matches!(rest, [b'#', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()));
        if (*byte < b' ' && *byte != b'\t') || (*byte == b'\\' && is_number) {
            out.extend(format!("\\#{byte:03o}").into_bytes());
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The name under which half a file waits for the next try, on a host.
const PARTIAL: &str = ".pobsync-partial";
/// The two sorts of words that stand in front of what is looked at.
const BY_NAME: [&str; 2] = ["--dirs", "--no-recursive"];

impl Restore {
    /// Looks at what restoring would do, and does nothing.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look(
        &self,
        stdin: Stdio,
        mark: &str,
        stop: &Stop,
        told: impl FnMut(Seen) + 'static,
    ) -> std::io::Result<Ended> {
        let mut argv = self.begin();
        argv.extend(self.looking(mark));
        if self.overwrite {
            argv.push("--checksum".into());
        } else {
            argv.extend(["--ignore-existing", "--info=skip2"].map(OsString::from));
        }
        self.end(&mut argv, &self.paths);
        self.listen(&argv, stdin, mark, stop, told)
    }

    /// Looks at the directories that lead to what is restored, as they are at the target.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look_at_parents(
        &self,
        stdin: Stdio,
        mark: &str,
        stop: &Stop,
        told: impl FnMut(Seen) + 'static,
    ) -> std::io::Result<Ended> {
        let mut argv = self.begin();
        argv.extend(self.looking(mark));
        argv.extend(BY_NAME.map(OsString::from));
        argv.extend(["--ignore-existing", "--info=skip2"].map(OsString::from));
        self.end(&mut argv, &self.parents);
        self.listen(&argv, stdin, mark, stop, told)
    }

    /// Makes some of the parents, or gives them their times again after others have come into them.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn make_parents(
        &self,
        parents: &[OsString],
        stdin: Stdio,
        stop: &Stop,
    ) -> std::io::Result<Ended> {
        let mut argv = self.begin();
        argv.extend(BY_NAME.map(OsString::from));
        self.end(&mut argv, parents);
        self.call(&argv, stdin, stop, Ear::new(None, 0, 0), &mut |_| {})
    }

    /// Restores.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn transfer(
        &self,
        stdin: Stdio,
        stop: &Stop,
        on_progress: &mut dyn FnMut(Progress),
    ) -> std::io::Result<Ended> {
        let argv = self.transfer_argv();
        self.call(&argv, stdin, stop, Ear::new(None, 0, 0), on_progress)
    }

    fn transfer_argv(&self) -> Vec<OsString> {
        let mut argv = self.begin();
        argv.extend(["--stats", "--info=progress2"].map(OsString::from));
        argv.push(if self.overwrite {
            // Not by size and time: what is restored may be what somebody has changed behind both.
            "--checksum".into()
        } else {
            "--ignore-existing".into()
        });
        if let RestoreTarget::Host(pull, _) = &self.target {
            argv.push(format!("--partial-dir={PARTIAL}").into());
            if let Some(limit) = pull.rsync.bwlimit {
                argv.push(format!("--bwlimit={}", (limit.0 / 1024).max(1)).into());
            }
        }
        self.end(&mut argv, &self.paths);
        argv
    }

    /// What every pass says.
    fn begin(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = [
            "rsync",
            "--archive",
            "--hard-links",
            "--sparse",
            "--numeric-ids",
            // rsync(1): -1 compares nanoseconds.
            "--modify-window=-1",
            "--no-human-readable",
        ]
        .map(OsString::from)
        .into();
        if self.acls {
            argv.push("--acls".into());
        }
        if self.xattrs {
            argv.push("--xattrs".into());
        }
        if self.flat {
            argv.push("--no-relative".into());
        } else {
            // What leads there and exists already keeps its attributes: it was not asked for.
            argv.extend(["--relative", "--no-implied-dirs"].map(OsString::from));
        }
        if let RestoreTarget::Host(pull, _) = &self.target {
            argv.push(if pull.rsync.secluded_args {
                "--secluded-args".into()
            } else {
                "--no-secluded-args".into()
            });
            argv.push(format!("--timeout={}", pull.rsync.timeout.seconds()).into());
            argv.extend(pull.reach().into_iter().map(OsString::from));
        }
        argv
    }

    fn looking(&self, mark: &str) -> [OsString; 3] {
        [
            "--dry-run".into(),
            // Else every letter beyond ASCII is a number.
            "--8-bit-output".into(),
            format!("--out-format={mark} %i %l %n%L").into(),
        ]
    }

    /// What is restored, and where to.
    fn end(&self, argv: &mut Vec<OsString>, paths: &[OsString]) {
        argv.push("--".into());
        for path in paths {
            let mut source = self.data.clone().into_os_string();
            // rsync(1), --relative: what stands behind `/./` is made at the target.
            source.push(if self.flat { "/" } else { "/./" });
            source.push(path);
            argv.push(source);
        }
        argv.push(match &self.target {
            RestoreTarget::Folder(folder) => with_slash(folder.as_os_str()),
            RestoreTarget::Host(pull, folder) if pull.address.is_local() => {
                with_slash(OsStr::new(folder.as_str()))
            }
            RestoreTarget::Host(pull, folder) => {
                let mut target = OsString::from(format!("{}@{}:", pull.user, pull.host()));
                target.push(with_slash(OsStr::new(folder.as_str())));
                target
            }
        });
    }

    fn listen(
        &self,
        argv: &[OsString],
        stdin: Stdio,
        mark: &str,
        stop: &Stop,
        told: impl FnMut(Seen) + 'static,
    ) -> std::io::Result<Ended> {
        let told = Rc::new(RefCell::new(told));
        let mark = mark.to_owned();
        let listener = Box::new(move |line: &str| {
            if let Some(seen) = seen(line, &mark)
                && let Ok(mut told) = told.try_borrow_mut()
            {
                told(seen);
            }
        });
        self.call(argv, stdin, stop, Ear::telling(listener), &mut |_| {})
    }

    fn call(
        &self,
        argv: &[OsString],
        stdin: Stdio,
        stop: &Stop,
        mut ear: Ear,
        on_progress: &mut dyn FnMut(Progress),
    ) -> std::io::Result<Ended> {
        let mut command = command(argv);
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let task = Task {
            command: &mut command,
            input: Vec::new(),
            // A person waits for it, and can end it.
            deadline: Duration::MAX,
            stop,
            ceiling: None,
        };
        let status = attend(task, &mut ear, &mut |_: Started| {}, on_progress)?;
        Ok(ear.finish(status).0)
    }
}

fn with_slash(path: &OsStr) -> OsString {
    let mut path = path.to_owned();
    if !path.as_encoded_bytes().ends_with(b"/") {
        path.push("/");
    }
    path
}

/// Reads one line of a look. Behind the mark, which no host can know, stand rsync's itemized letters (rsync(1),
/// --itemize-changes), the length and the name; without it rsync speaks of what it passes over.
fn seen(line: &str, mark: &str) -> Option<Seen> {
    let Some(told) = line
        .strip_prefix(mark)
        .and_then(|rest| rest.strip_prefix(' '))
    else {
        return passed_over(line);
    };
    let mut words = told.splitn(3, ' ');
    let (letters, length, path) = (words.next()?, words.next()?, words.next()?);
    let mut letters = letters.chars();
    let (update, kind) = (letters.next()?, letters.next()?);
    let item = Item {
        path: path.to_owned(),
        bytes: (kind == 'f' && matches!(update, '<' | '>'))
            .then(|| length.parse().ok())
            .flatten(),
    };
    Some(match update {
        '.' => Seen::Attributes(item),
        _ if letters.as_str().starts_with('+') => Seen::New(item),
        _ => Seen::Replaced(item),
    })
}

fn passed_over(line: &str) -> Option<Seen> {
    if line.ends_with(" exists (uptodate)") {
        return Some(Seen::Same);
    }
    // An rsync before 3.2.4 does not say how they differ.
    let ends = [
        " exists (type change)",
        " exists (sum change)",
        " exists (file change)",
        " exists (attr change)",
        " exists",
    ];
    let path = ends.iter().find_map(|end| line.strip_suffix(end))?;
    Some(Seen::Differs(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::core::model::RsyncSettings;

    fn restore() -> Restore {
        Restore {
            data: "/mnt/b/web/manual/x/data".into(),
            paths: vec!["etc/-n".into(), "var/a b".into()],
            parents: vec!["etc".into(), "var".into()],
            flat: false,
            target: RestoreTarget::Folder("/srv/back".into()),
            overwrite: false,
            acls: true,
            xattrs: true,
        }
    }

    fn shown(argv: &[OsString]) -> String {
        let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
        words.join("\n")
    }

    fn host(secluded_args: bool) -> RestoreTarget {
        let pull = Pull {
            address: "2001:db8::7".parse().unwrap(),
            user: "root".parse().unwrap(),
            port: 22,
            identity: None,
            known_hosts: "/etc/pobsync/known_hosts".parse().unwrap(),
            proxy_jump: None,
            rsync: RsyncSettings {
                secluded_args,
                ..RsyncSettings::default()
            },
            sources: Vec::new(),
            excludes: Vec::new(),
            destination: "/nonexistent".into(),
            link_dests: Vec::new(),
            checksum: false,
        };
        RestoreTarget::Host(Box::new(pull), "/".parse().unwrap())
    }

    #[test]
    fn the_vector_is_this() {
        insta::assert_snapshot!(shown(&restore().transfer_argv()));
    }

    #[test]
    fn to_a_host_it_is_this() {
        let mut restore = restore();
        restore.target = host(true);
        insta::assert_snapshot!(shown(&restore.transfer_argv()));
    }

    #[rstest]
    #[case(false, false)]
    #[case(true, true)]
    fn nothing_is_ever_deleted_and_no_link_of_the_target_is_followed(
        #[case] overwrite: bool,
        #[case] flat: bool,
    ) {
        let restore = Restore {
            overwrite,
            flat,
            target: host(false),
            ..restore()
        };
        let argv = shown(&restore.transfer_argv());
        for word in [
            "--delete",
            "--force",
            "--keep-dirlinks",
            "-K",
            "--inplace",
            "--copy-links",
            "--remove-source-files",
        ] {
            assert!(!argv.lines().any(|w| w == word), "{word}");
        }
        assert_eq!(argv.contains("--ignore-existing"), !overwrite);
        assert!(argv.contains("--no-secluded-args"));
    }

    #[rstest]
    #[case("M >f+++++++++ 12 etc/a b", Some(Seen::New(item("etc/a b", Some(12)))))]
    #[case("M cd+++++++++ 4096 etc/", Some(Seen::New(item("etc/", None))))]
    #[case(
        "M hf+++++++++ 2 etc/a => etc/b",
        Some(Seen::New(item("etc/a => etc/b", None)))
    )]
    #[case("M <fcst...... 7 x", Some(Seen::Replaced(item("x", Some(7)))))]
    #[case("M .d..t...... 4096 etc/", Some(Seen::Attributes(item("etc/", None))))]
    #[case("etc/a exists (uptodate)", Some(Seen::Same))]
    #[case("etc/c exists (type change)", Some(Seen::Differs("etc/c".to_owned())))]
    #[case("etc/c exists", Some(Seen::Differs("etc/c".to_owned())))]
    #[case("Number of files: 3", None)]
    #[case("M", None)]
    #[case("M é", None)]
    #[case("", None)]
    fn what_rsync_says_is_read(#[case] line: &str, #[case] want: Option<Seen>) {
        assert_eq!(seen(line, "M"), want, "{line}");
    }

    #[rstest]
    #[case("etc/a b", "etc/a b")]
    #[case("a\nb\tc", "a\\#012b\tc")]
    #[case("a\\#012", "a\\#134#012")]
    #[case("a\\#01", "a\\#01")]
    fn a_name_is_written_as_rsync_does(#[case] name: &str, #[case] want: &str) {
        assert_eq!(written(OsStr::new(name)), want);
    }

    fn item(path: &str, bytes: Option<u64>) -> Item {
        Item {
            path: path.to_owned(),
            bytes,
        }
    }
}
