//! Bringing parts of a snapshot back: onto this machine, or onto a host over the same ssh as pulling.
//!
//! Nothing that is there already is touched unless asked for, no link of the target is followed, and nothing is ever
//! deleted. Each pass is one call of rsync, whose words are here.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::Pull;
use super::names::Names;
use super::process::{Ear, Ended, Progress, Started, Stream, Task, attend, command};
use super::stop::Stop;
use super::unescape::unescaped;
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
    /// Owners, modes and devices of the snapshot stand in its extended attributes.
    pub fake_super: bool,
}

/// What a look at the target has found, or what a restore has done, one at a time. Each path is below the target, that of
/// a directory with a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It would be made.
    New(Item),
    /// It is there, and would be replaced.
    Replaced(Item),
    /// Something of another kind is there, and would be replaced.
    Converted(Item),
    /// It is there, and its attributes would be set.
    Attributes(Item),
    /// It is there as a file of its own, and would become a hard link of another name; its path.
    Joined(Vec<u8>),
    /// It is there, the same by size and time, or by content where that was asked for; its path.
    Same(Vec<u8>),
    /// It is there and is another one, which stays; its path.
    Differs(Vec<u8>),
    /// Something of another kind is there, which stays; its path.
    OtherKind(Vec<u8>),
    /// A directory that holds something is there, which is never replaced by something else; its path.
    NotEmpty(Vec<u8>),
    /// It would be below something that stays and is no directory.
    Below,
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the target.
    pub path: Vec<u8>,
    /// Bytes of a plain file that would be written; nothing for all else.
    pub bytes: Option<u64>,
}

/// What one call of rsync holds open for as long as it runs: it finds what it reads and where it writes by that, and not
/// by names, which somebody may swap for links meanwhile.
#[derive(Debug)]
pub struct Held {
    /// The lock of the snapshot; the call hands it on.
    pub lock: OwnedFd,
    /// The tree of the snapshot; the call hands it on.
    pub data: OwnedFd,
    /// The target, if it is a directory of this machine that is there.
    pub target: Option<OwnedFd>,
}

impl Held {
    /// The tree, as a child finds it.
    fn source(&self) -> String {
        by_descriptor(&self.data)
    }
}

/// The path of a descriptor for whoever has it under the same number: proc_pid_fd(5).
fn by_descriptor(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The name under which half a file waits for the next try, on a host.
const PARTIAL: &str = ".pobsync-partial";
/// Nothing that is there is touched, and rsync says what that is, and of which kind.
pub(super) const PASSING_OVER: [&str; 2] = ["--ignore-existing", "--info=skip2"];
/// Directories alone, and nothing that is in them.
pub(super) const BY_NAME: [&str; 2] = ["--dirs", "--no-recursive"];

/// How one pass is called, and who is told what it finds or does.
pub struct Pass<'a> {
    /// What stands before each line that tells something: no host can have guessed it.
    pub mark: String,
    /// Ends it early.
    pub stop: &'a Stop,
    /// How long it may take.
    pub deadline: Duration,
    /// Told each thing.
    pub told: Box<dyn FnMut(Seen)>,
}

impl Restore {
    /// Looks at what restoring would do, and does nothing. What it would replace by something of another kind is told as
    /// new: [`Restore::look_at_kinds`] tells them apart.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look(&self, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        let words: &[&str] = if self.overwrite {
            &["--checksum"]
        } else {
            &PASSING_OVER
        };
        self.only_look(words, &self.paths, held, pass)
    }

    /// Looks for what is missing, and for what is there as something of another kind; reads no file.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look_at_kinds(&self, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        self.only_look(&PASSING_OVER, &self.paths, held, pass)
    }

    /// Looks at the directories that lead to what is restored, as they are at the target.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look_at_parents(&self, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        let words = [BY_NAME, PASSING_OVER].concat();
        self.only_look(&words, &self.parents, held, pass)
    }

    /// Makes some of the parents, or gives them their times again after others have come into them.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn make_parents(
        &self,
        parents: &[OsString],
        held: Held,
        stop: &Stop,
    ) -> std::io::Result<Ended> {
        let mut argv = self.begin();
        argv.extend(BY_NAME.map(OsString::from));
        self.end(&mut argv, &held.source(), held.target.is_some());
        let call = Call {
            argv,
            names: self.names(parents)?,
            held,
            stop,
            deadline: Duration::MAX,
        };
        self.call(call, Ear::new(None, 0, 0), &mut |_| {})
    }

    /// Restores; each thing is told once it has been sent on its way.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn transfer(
        &self,
        held: Held,
        pass: Pass<'_>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> std::io::Result<Ended> {
        let argv = self.transfer_argv(&pass.mark, &held.source(), held.target.is_some());
        self.hear(argv, self.names(&self.paths)?, held, pass, on_progress)
    }

    /// One pass that only looks.
    pub(super) fn only_look(
        &self,
        words: &[&str],
        paths: &[OsString],
        held: Held,
        pass: Pass<'_>,
    ) -> std::io::Result<Ended> {
        let words = [&["--dry-run"], words].concat();
        self.tell(&words, self.names(paths)?, held, pass)
    }

    /// One pass that tells each thing, and says these words besides.
    pub(super) fn tell(
        &self,
        words: &[&str],
        names: Names,
        held: Held,
        pass: Pass<'_>,
    ) -> std::io::Result<Ended> {
        let mut argv = self.begin();
        argv.push(telling(&pass.mark));
        argv.extend(words.iter().map(OsString::from));
        self.end(&mut argv, &held.source(), held.target.is_some());
        self.hear(argv, names, held, pass, &mut |_| {})
    }

    /// Paths below the tree as rsync reads them: what stands behind `/./` is what it is called at the target.
    fn names(&self, paths: &[OsString]) -> std::io::Result<Names> {
        let name = |path: &OsString| {
            let bytes = path.as_bytes();
            let last = bytes.iter().rposition(|byte| *byte == b'/');
            match last.filter(|_| self.flat).map(|at| bytes.split_at(at)) {
                Some((before, last)) => [before, b"/.", last].concat(),
                None => [b"./", bytes].concat(),
            }
        };
        Names::new(paths.iter().map(|path| OsString::from_vec(name(path))))
    }

    fn transfer_argv(&self, mark: &str, source: &str, is_there: bool) -> Vec<OsString> {
        let mut argv = self.begin();
        argv.push(telling(mark));
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
        self.end(&mut argv, source, is_there);
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
            "--no-human-readable",
        ]
        .map(OsString::from)
        .into();
        // rsync(1): -1 compares nanoseconds. It is the other side that compares; of our own option it would be told in a
        // short way (`-@-1`) that rrsync does not take.
        argv.push(match self.target {
            RestoreTarget::Folder(_) => "--modify-window=-1".into(),
            RestoreTarget::Host(..) => "--remote-option=--modify-window=-1".into(),
        });
        if self.acls {
            argv.push("--acls".into());
        }
        if self.xattrs {
            argv.push("--xattrs".into());
        }
        if self.fake_super {
            argv.push("--fake-super".into());
            // Of the snapshot alone: at the target they are set, where that is allowed.
            if matches!(self.target, RestoreTarget::Folder(_)) {
                argv.push("--remote-option=--super".into());
                // With an option for the other side, both sides of a transfer on one machine number what is in the
                // directories of a list in two ways (3.5.0, "File-list index 4 not in 9 - 12").
                argv.push("--no-inc-recursive".into());
            }
        }
        argv.extend(LISTED.map(OsString::from));
        if let RestoreTarget::Host(pull, _) = &self.target {
            argv.push(if pull.rsync.secluded_args {
                "--secluded-args".into()
            } else {
                "--no-secluded-args".into()
            });
            argv.push(format!("--timeout={}", pull.rsync.timeout.seconds()).into());
            let reach = pull.reach_to_the_last_word();
            argv.extend(reach.into_iter().map(OsString::from));
        }
        argv
    }

    /// From where, and where to.
    fn end(&self, argv: &mut Vec<OsString>, source: &str, is_there: bool) {
        argv.extend(["--".into(), with_slash(source.as_ref())]);
        argv.push(match &self.target {
            // The call begins there.
            RestoreTarget::Folder(_) if is_there => ".".into(),
            RestoreTarget::Folder(folder) => with_slash(folder.as_os_str()),
            RestoreTarget::Host(pull, folder) => {
                let mut target = OsString::from(format!("{}@{}:", pull.user, pull.host()));
                target.push(with_slash(OsStr::new(folder.as_str())));
                target
            }
        });
    }

    fn hear(
        &self,
        argv: Vec<OsString>,
        names: Names,
        held: Held,
        pass: Pass<'_>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> std::io::Result<Ended> {
        let ear = listening(&pass.mark, pass.told);
        let call = Call {
            argv,
            names,
            held,
            stop: pass.stop,
            deadline: pass.deadline,
        };
        self.call(call, ear, on_progress)
    }

    /// A person waits for it, and can end it.
    fn call(
        &self,
        call: Call<'_>,
        mut ear: Ear,
        on_progress: &mut dyn FnMut(Progress),
    ) -> std::io::Result<Ended> {
        let mut command = command(&call.argv);
        command
            .stdin(call.names)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(target) = &call.held.target {
            command.current_dir(by_descriptor(target));
        }
        let task = Task {
            command: &mut command,
            input: Vec::new(),
            deadline: call.deadline,
            stop: call.stop,
            ceiling: None,
            has_last_words: true,
        };
        let status = attend(task, &mut ear, &mut |_: Started| {}, on_progress)?;
        let mut ended = ear.finish(status).0;
        let (source, data) = (call.held.source(), self.data.to_string_lossy());
        for line in &mut ended.complaints {
            *line = line.replace(&source, &data);
        }
        Ok(ended)
    }
}

/// One call of rsync.
struct Call<'a> {
    argv: Vec<OsString>,
    names: Names,
    held: Held,
    stop: &'a Stop,
    deadline: Duration,
}

/// What is restored is read as a list, of any length, and rsync follows no link on the way to what stands there (since
/// 3.5.0). The list says what of each is made at the target; what leads there and exists already keeps its attributes, since
/// it was not asked for. `--archive` alone does not go into the directories of a list: rsync(1), `--files-from`.
const LISTED: [&str; 5] = [
    "--recursive",
    "--relative",
    "--no-implied-dirs",
    "--from0",
    "--files-from=-",
];

fn with_slash(path: &OsStr) -> OsString {
    let mut path = path.to_owned();
    if !path.as_encoded_bytes().ends_with(b"/") {
        path.push("/");
    }
    path
}

/// Has each thing told in a line of its own: behind the mark, which no host can know, stand the bytes that were sent for
/// it, rsync's itemized letters (rsync(1), --itemize-changes), its length and its name, to the end of the line.
///
/// rsync writes the line once the thing was sent, and not before, since `%b` stands in it (options.c). Where a link leads,
/// `%L`, does not stand there: a long path that leads to another one makes rsync give up (log.c, "buffer overflow
/// expanding").
fn telling(mark: &str) -> OsString {
    format!("--out-format={mark} %b %i %l %n").into()
}

fn listening(mark: &str, mut told: Box<dyn FnMut(Seen)>) -> Ear {
    let mark = mark.to_owned();
    Ear::telling(Box::new(move |stream, line| {
        let seen = match stream {
            Stream::Out => seen(line, &mark),
            Stream::Err => refused(line),
        };
        let is_understood = seen.is_some();
        seen.into_iter().for_each(&mut told);
        is_understood
    }))
}

/// Reads one line of standard output; without the mark rsync speaks of what it passes over.
fn seen(line: &str, mark: &str) -> Option<Seen> {
    let Some(told) = line
        .strip_prefix(mark)
        .and_then(|rest| rest.strip_prefix(' '))
    else {
        return passed_over(line);
    };
    let (_sent, told) = told.split_once(' ')?;
    // They are blanks where a hard link is made of a file that is as it should be.
    let (letters, told) = told.split_at_checked(LETTERS)?;
    let (length, path) = told.strip_prefix(' ')?.split_once(' ')?;
    let mut letters = letters.chars();
    let (update, kind) = (letters.next()?, letters.next()?);
    let item = Item {
        path: unescaped(path.as_bytes()),
        bytes: (kind == 'f' && matches!(update, '<' | '>'))
            .then(|| length.parse().ok())
            .flatten(),
    };
    if (update, kind) == ('.', 'd') && letters.as_str() == TIME_ALONE {
        return None;
    }
    if update == 'h' && letters.as_str().trim_start().is_empty() {
        return Some(Seen::Joined(item.path));
    }
    Some(match update {
        '.' => Seen::Attributes(item),
        _ if letters.as_str().starts_with('+') => Seen::New(item),
        _ => Seen::Replaced(item),
    })
}

/// rsync(1), --itemize-changes: so many letters, whatever they say.
const LETTERS: usize = 11;
/// Of a directory: whatever comes into it changes its time, which it then gets again.
const TIME_ALONE: &str = "..t......";

fn passed_over(line: &str) -> Option<Seen> {
    if let Some(path) = line.strip_suffix(" exists (uptodate)") {
        return Some(Seen::Same(unescaped(path.as_bytes())));
    }
    if let Some(path) = line.strip_suffix(" exists (type change)") {
        return Some(Seen::OtherKind(unescaped(path.as_bytes())));
    }
    // An rsync before 3.2.4 does not say how they differ.
    let ends = [
        " exists (sum change)",
        " exists (file change)",
        " exists (attr change)",
        " exists",
    ];
    let path = ends.iter().find_map(|end| line.strip_suffix(end))?;
    Some(Seen::Differs(unescaped(path.as_bytes())))
}

/// Reads a complaint that is about what stays as it is at the target.
fn refused(line: &str) -> Option<Seen> {
    // delete.c, delete_item: the kind is a word or two. Only what is no directory stands in the way of one.
    if let Some(rest) = line.strip_prefix("could not make way for new ")
        && let Some((kind, path)) = rest.split_once(": ")
        && kind != "directory"
    {
        return Some(Seen::NotEmpty(unescaped(path.as_bytes())));
    }
    // A file or a link that stays is asked for what would be in it.
    let ends = [
        "\": Not a directory (20)",
        "\": Too many levels of symbolic links (40)",
    ];
    (line.contains("recv_generator: failed to stat \"")
        && ends.iter().any(|end| line.ends_with(end)))
    .then_some(Seen::Below)
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
            fake_super: false,
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
        insta::assert_snapshot!(shown(&restore().transfer_argv(
            "M",
            "/proc/self/fd/7",
            true
        )));
    }

    #[test]
    fn to_a_host_it_is_this() {
        let mut restore = restore();
        restore.target = host(true);
        insta::assert_snapshot!(shown(&restore.transfer_argv("M", "/proc/self/fd/7", false)));
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
        let argv = shown(&restore.transfer_argv("M", "/proc/self/fd/7", false));
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
    #[case(
        "M 0 >f+++++++++ 12 etc/a b",
        Some(Seen::New(item(b"etc/a b", Some(12))))
    )]
    #[case("M 0 cd+++++++++ 4096 etc/", Some(Seen::New(item(b"etc/", None))))]
    #[case("M 0 cL+++++++++ 7 a -> b", Some(Seen::New(item(b"a -> b", None))))]
    #[case("M 9 <fcst...... 7  M 0", Some(Seen::Replaced(item(b" M 0", Some(7)))))]
    #[case("M 0 .d..t...... 4096 etc/", None)]
    #[case(
        "M 0 .d..tp..... 4096 etc/",
        Some(Seen::Attributes(item(b"etc/", None)))
    )]
    #[case(
        "M 0 >f+++++++++ 1 \\#377\\#134#012",
        Some(Seen::New(item(b"\xff\\#012", Some(1))))
    )]
    #[case("M 0 hf          10 etc/a b", Some(Seen::Joined(b"etc/a b".to_vec())))]
    #[case("M 0 hL          1  a", Some(Seen::Joined(b" a".to_vec())))]
    #[case("M 0 hf..t.", None)]
    #[case("M 0 hf..t...... 7 x", Some(Seen::Replaced(item(b"x", None))))]
    #[case("M 0 hf+++++++++ 7 x", Some(Seen::New(item(b"x", None))))]
    #[case("etc/a exists (uptodate)", Some(Seen::Same(b"etc/a".to_vec())))]
    #[case("etc/c exists (type change)", Some(Seen::OtherKind(b"etc/c".to_vec())))]
    #[case("etc/c exists (sum change)", Some(Seen::Differs(b"etc/c".to_vec())))]
    #[case("a exists (uptodate) exists", Some(Seen::Differs(b"a exists (uptodate)".to_vec())))]
    #[case("Number of files: 3", None)]
    #[case("M", None)]
    #[case("M é", None)]
    #[case("M 0 é", None)]
    #[case("", None)]
    fn what_rsync_says_is_read(#[case] line: &str, #[case] want: Option<Seen>) {
        assert_eq!(seen(line, "M"), want, "{line}");
    }

    #[rstest]
    #[case("could not make way for new regular file: a\\#012: b", Some(Seen::NotEmpty(b"a\n: b".to_vec())))]
    #[case("could not make way for new symlink: l", Some(Seen::NotEmpty(b"l".to_vec())))]
    #[case("could not make way for new directory: d", None)]
    #[case(
        "rsync: [generator] recv_generator: failed to stat \"/t/dir/in\": Not a directory (20)",
        Some(Seen::Below)
    )]
    #[case(
        "rsync: [generator] recv_generator: failed to stat \"/t/dir/in\": Permission denied (13)",
        None
    )]
    #[case(
        "rsync: [receiver] mkstemp \"/t/.a.X\" failed: Not a directory (20)",
        None
    )]
    fn what_rsync_refuses_is_read(#[case] line: &str, #[case] want: Option<Seen>) {
        assert_eq!(refused(line), want, "{line}");
    }

    fn item(path: &[u8], bytes: Option<u64>) -> Item {
        Item {
            path: path.to_owned(),
            bytes,
        }
    }
}
