//! The exact words that rsync and ssh are called with.

use camino::{Utf8Path, Utf8PathBuf};

use super::powers::may_set_owners;
use crate::core::model::{
    AbsolutePath, Address, ExcludePattern, ProxyJump, RsyncSettings, SourcePath, UserName,
};

/// Seconds to wait for a connection, whatever the host's own timeout: who does not answer in so long is not there.
const LONGEST_CONNECT: u64 = 20;

/// How ssh comes to its connection. A socket is a name in the folder that ssh runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// It makes one for itself.
    Alone,
    /// It makes one for others, who find it by this socket.
    Master(&'a str),
    /// It asks at this socket, and makes one for itself if nobody is there.
    Shared(&'a str),
}

/// One pull of one host: every value is checked where it entered, and each becomes one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Where the host is reached; `local` without ssh.
    pub address: Address,
    /// The ssh user.
    pub user: UserName,
    /// The ssh port.
    pub port: u16,
    /// The ssh private key; ssh's defaults if absent.
    pub identity: Option<AbsolutePath>,
    /// The file of host keys that are trusted.
    pub known_hosts: AbsolutePath,
    /// A host to jump through.
    pub proxy_jump: Option<ProxyJump>,
    /// How rsync is called.
    pub rsync: RsyncSettings,
    /// What is pulled.
    pub sources: Vec<SourcePath>,
    /// What is left out.
    pub excludes: Vec<ExcludePattern>,
    /// An empty directory, absolute: a pull never goes into a tree that has files, since they share inodes with older
    /// snapshots and rsync would change modes on them.
    pub destination: Utf8PathBuf,
    /// Trees in which unchanged files are found, absolute: rsync takes a relative one from the destination.
    pub link_dests: Vec<Utf8PathBuf>,
    /// Unchanged is what has the same content, and not the same size and time: one of the trees is damaged.
    pub checksum: bool,
}

impl Pull {
    /// The argument vector of the transfer, the program first.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        self.argv_by(Control::Alone)
    }

    /// The same by a connection that is there already.
    pub(super) fn argv_by(&self, control: Control<'_>) -> Vec<String> {
        let mut argv = self.common(&self.excludes, control);
        self.options(&mut argv);
        if self.checksum {
            argv.push("--checksum".to_owned());
        }
        argv.push("--info=progress2".to_owned());
        self.link_dests(&mut argv);
        self.sources_into(&mut argv);
        argv.push(format!("{}/", self.destination));
        argv
    }

    /// The argument vector that says of every name how it differs from the tree `base`, and writes nothing.
    ///
    /// A name ends at the first `//` of its line, which none holds.
    pub(super) fn difference_argv(&self, base: &Utf8Path, control: Control<'_>) -> Vec<String> {
        let mut argv = self.common(&self.excludes, control);
        argv.push("--dry-run".to_owned());
        self.options(&mut argv);
        // Twice: names that do not differ are told too, so that nothing is taken for unchanged that was not compared.
        let told = ["--itemize-changes", "--itemize-changes"];
        argv.extend(told.map(String::from));
        argv.push("--out-format=%i %n//%L".to_owned());
        self.sources_into(&mut argv);
        argv.push(format!("{base}/"));
        argv
    }

    /// The argument vector that brings the names in the file `names`, each ended by a NUL, and nothing below them.
    ///
    /// The names have passed the excludes already, which mean another thing to names that are asked for one by one.
    pub(super) fn listed_argv(&self, names: &Utf8Path, control: Control<'_>) -> Vec<String> {
        let mut argv = self.common(&[], control);
        self.options(&mut argv);
        argv.push("--info=progress2".to_owned());
        self.link_dests(&mut argv);
        argv.extend(["--from0".to_owned(), format!("--files-from={names}")]);
        argv.extend(["--no-recursive", "--"].map(String::from));
        argv.push(self.at_host("/"));
        argv.push(format!("{}/", self.destination));
        argv
    }

    /// How files are compared and kept.
    fn options(&self, argv: &mut Vec<String>) {
        let s = &self.rsync;
        let always = ["--hard-links", "--sparse", "--numeric-ids", "--stats"];
        argv.extend(always.map(String::from));
        // rsync(1): -1 compares nanoseconds. Else a file changed twice in one second would be missed, and a directory
        // made in the second of its source would keep its own time.
        argv.push("--modify-window=-1".to_owned());
        let switches = [
            (s.acls, "--acls"),
            (s.xattrs, "--xattrs"),
            (s.one_file_system, "--one-file-system"),
        ];
        argv.extend(
            switches
                .into_iter()
                .filter(|(is_on, _)| *is_on)
                .map(|(_, word)| word.to_owned()),
        );
        if s.fake_super {
            argv.push("--fake-super".to_owned());
        } else if may_set_owners() {
            // rsync tries to set owners for root alone.
            argv.push("--super".to_owned());
        }
        if !s.specials {
            // Devices, sockets and fifos hold no data, and a host could plant them on the server.
            argv.push("--no-D".to_owned());
        }
        argv.push(format!("--timeout={}", s.timeout.seconds()));
        if let Some(limit) = s.bwlimit {
            // rsync(1): units of 1024 bytes a second; 0 would be no limit.
            argv.push(format!("--bwlimit={}", (limit.0 / 1024).max(1)));
        }
    }

    fn link_dests(&self, argv: &mut Vec<String>) {
        let words = self.link_dests.iter();
        argv.extend(words.map(|path| format!("--link-dest={path}")));
    }

    fn sources_into(&self, argv: &mut Vec<String>) {
        argv.push("--".to_owned());
        argv.extend(self.sources.iter().map(|source| self.source(source)));
    }

    /// The argument vector that lists one source without going into it.
    pub(super) fn listing_argv(&self, source: &SourcePath) -> Vec<String> {
        let mut argv = self.common(&self.excludes, Control::Alone);
        argv.extend(
            [
                "--list-only",
                "--dirs",
                "--no-recursive",
                "--timeout=60",
                "--",
            ]
            .map(String::from),
        );
        argv.push(self.source(source));
        argv
    }

    /// What both have: how trees are named, what is left out, and how the host is reached.
    fn common(&self, excludes: &[ExcludePattern], control: Control<'_>) -> Vec<String> {
        let mut argv: Vec<String> = [
            "rsync",
            "--archive",
            "--relative",
            if self.rsync.secluded_args {
                "--secluded-args"
            } else {
                // rsync then escapes what the host's shell would take for its own.
                "--no-secluded-args"
            },
            "--no-human-readable",
        ]
        .map(String::from)
        .into();
        argv.extend(
            excludes
                .iter()
                .map(|pattern| format!("--exclude={pattern}")),
        );
        argv.extend(self.reach_by(&[], control));
        argv
    }

    /// How the host is reached by a transfer whose host has more to say once rsync here has failed: rsync ends its ssh with SIGUSR1
    /// (cleanup.c) before the last words of the other side are through, and that is when it says what went wrong there.
    pub(super) fn reach_to_the_last_word(&self) -> Vec<String> {
        let words = ["sh", "-c", "trap '' USR1; exec \"$@\"", "ssh"];
        self.reach_by(&words, Control::Alone)
    }

    fn reach_by(&self, before: &[&str], control: Control<'_>) -> Vec<String> {
        if self.address.is_local() {
            return Vec::new();
        }
        let words = before.iter().map(|word| (*word).to_owned());
        let ssh: Vec<String> = words
            .chain(self.ssh_argv_by(control))
            .map(|word| quoted_for_rsync(&word))
            .collect();
        let mut argv = vec![format!("--rsh={}", ssh.join(" "))];
        if let Some(path) = &self.rsync.rsync_path {
            // The host's login shell reads it: it stays one word, as all other words do by --secluded-args.
            argv.push(format!("--rsync-path={}", shell_word(path.as_str())));
        }
        argv
    }

    /// ssh and its options, without the host: rsync appends that.
    #[must_use]
    pub fn ssh_argv(&self) -> Vec<String> {
        self.ssh_argv_by(Control::Alone)
    }

    /// The argument vector of the ssh that connects for others, asks for nothing itself, and lets them in by the socket
    /// `name`.
    pub(super) fn master_argv(&self, name: &str) -> Vec<String> {
        let mut argv = self.ssh_argv_by(Control::Master(name));
        argv.extend(["-N".to_owned(), "--".to_owned(), self.address.to_string()]);
        argv
    }

    fn ssh_argv_by(&self, control: Control<'_>) -> Vec<String> {
        // Below INFO ssh is silent on why a connection broke.
        let mut argv = self.ssh_to(self.port, &self.user, "INFO", control);
        if let Some(command) = self.proxy_command() {
            argv.extend(["-o".to_owned(), format!("ProxyCommand={command}")]);
        }
        argv
    }

    /// ssh with our own options, whichever host it is to reach.
    fn ssh_to(
        &self,
        port: u16,
        user: &UserName,
        log_level: &str,
        control: Control<'_>,
    ) -> Vec<String> {
        let mut argv: Vec<String> = ["ssh", "-F", "none", "-a", "-x", "-T"]
            .map(String::from)
            .into();
        argv.extend(["-p".to_owned(), port.to_string()]);
        match &self.identity {
            None => {}
            // ssh looks for the file of -i before it expands the signs, and so never finds it.
            Some(identity) if identity.as_str().contains('%') => {
                let path = quoted_for_ssh(identity.as_str());
                argv.extend(["-o".to_owned(), format!("IdentityFile={path}")]);
            }
            Some(identity) => argv.extend(["-i".to_owned(), identity.to_string()]),
        }
        // 0 is no timeout at all.
        let timeout = match self.rsync.timeout.seconds() {
            0 => u64::MAX,
            seconds => seconds,
        };
        let known_hosts = quoted_for_ssh(self.known_hosts.as_str());
        let (is_master, socket) = match control {
            Control::Alone => ("no", "none".to_owned()),
            Control::Master(name) => ("yes", quoted_for_ssh(name)),
            Control::Shared(name) => ("no", quoted_for_ssh(name)),
        };
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            &format!("UserKnownHostsFile={known_hosts}"),
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "ForwardAgent=no",
            "ForwardX11=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            &format!("ControlMaster={is_master}"),
            &format!("ControlPath={socket}"),
            "UpdateHostKeys=no",
            // Sooner than rsync, which would say less of it.
            &format!(
                "ConnectTimeout={}",
                (timeout - timeout / 4).min(LONGEST_CONNECT)
            ),
            // rsync's own timeout does not see a dead wire: what ssh takes from it counts as sent.
            &format!("ServerAliveInterval={}", (timeout / 4).clamp(1, 15)),
            "ServerAliveCountMax=4",
            &format!("LogLevel={log_level}"),
        ];
        argv.extend(
            options
                .into_iter()
                .flat_map(|option| ["-o".to_owned(), option.to_owned()]),
        );
        argv.extend(["-l".to_owned(), user.to_string()]);
        argv
    }

    /// What carries the connection through a jump. ssh's own `-J` would start an ssh that knows neither our known hosts
    /// nor our key, and reads the configuration of whoever runs us.
    ///
    /// ssh hands it to a shell (ssh_config(5), ProxyCommand), which is `/bin/sh` in our environment: every word is quoted,
    /// whatever it holds.
    fn proxy_command(&self) -> Option<String> {
        let jump = self.proxy_jump.as_ref()?;
        let user = jump.user().unwrap_or_else(|| self.user.clone());
        // At the end of each connection this one is hung up, and would say so.
        let mut argv = self.ssh_to(jump.port(), &user, "ERROR", Control::Alone);
        argv.extend(["-W".to_owned(), format!("{}:{}", self.host(), self.port)]);
        // It always has one; without, ssh fails, and never goes another way.
        let address = jump.address().map_or(String::new(), String::from);
        argv.extend(["--".to_owned(), address]);
        let words: Vec<String> = argv
            .iter()
            .map(|word| without_tokens(&shell_word(word)))
            .collect();
        Some(words.join(" "))
    }

    /// The host as rsync and ssh want it: an IPv6 address in brackets.
    pub(super) fn host(&self) -> String {
        if self.address.is_ipv6() {
            format!("[{}]", self.address)
        } else {
            self.address.to_string()
        }
    }

    fn source(&self, source: &SourcePath) -> String {
        self.at_host(source.as_str())
    }

    fn at_host(&self, path: &str) -> String {
        if self.address.is_local() {
            return path.to_owned();
        }
        format!("{}@{}:{}", self.user, self.host(), literal(path))
    }

    /// The vector as a person would type it, with each secret of `hidden` replaced by what stands for it. For eyes only:
    /// the program never hands it to a shell.
    #[must_use]
    pub fn shown(&self, hidden: &[(String, String)]) -> String {
        let words = self.argv().into_iter().map(|word| {
            let word = hidden.iter().fold(word, |word, (secret, stands)| {
                word.replace(secret.as_str(), stands)
            });
            quoted_for_people(&word)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The receiving rsync expands `*`, `?` and `[` of a source by itself (rsync(1), --secluded-args); a source is a path.
fn literal(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    let mut out = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// ssh_config(5): an argument in double quotes keeps its spaces.
fn quoted_for_ssh(path: &str) -> String {
    let path = without_tokens(path)
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    format!("\"{path}\"")
}

/// ssh_config(5), TOKENS: a percent sign is written twice.
fn without_tokens(path: &str) -> String {
    path.replace('%', "%%")
}

/// rsync(1), --rsh: words are parted by spaces, quotes keep spaces, and a quote inside quotes is doubled.
fn quoted_for_rsync(word: &str) -> String {
    if word.contains([' ', '\'', '"']) {
        format!("'{}'", word.replace('\'', "''"))
    } else {
        word.to_owned()
    }
}

/// One word for a shell of the host.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,/:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn quoted_for_people(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,/:@%[]*?".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!(
        "'{}'",
        crate::core::model::visible(word).replace('\'', "'\\''")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::model::ByteCount;

    fn pull() -> Pull {
        Pull {
            address: "web-01.example.net".parse().unwrap(),
            user: "root".parse().unwrap(),
            port: 22,
            identity: Some("/etc/pobsync/id".parse().unwrap()),
            known_hosts: "/etc/pobsync/known_hosts".parse().unwrap(),
            proxy_jump: None,
            rsync: RsyncSettings::default(),
            sources: vec!["/etc".parse().unwrap(), "/var/www".parse().unwrap()],
            excludes: vec!["/proc/*".parse().unwrap()],
            destination: "/mnt/b/web/.incomplete/manual/x/data".into(),
            link_dests: vec!["/mnt/b/web/manual/y/data".into()],
            checksum: false,
        }
    }

    #[test]
    fn the_vector_is_this() {
        insta::assert_snapshot!(pull().argv().join("\n"));
    }

    #[test]
    fn a_comparison_writes_nothing_and_a_list_asks_for_nothing_below_its_names() {
        let compared = pull().difference_argv("/mnt/b/web/manual/y/data".into(), Control::Alone);
        let listed = pull().listed_argv(
            "/mnt/b/web/.incomplete/manual/x/names".into(),
            Control::Alone,
        );
        assert!(compared.contains(&"--dry-run".to_owned()));
        insta::assert_snapshot!(format!("{}\n\n{}", compared.join("\n"), listed.join("\n")));
    }

    #[test]
    fn a_connection_is_made_for_all_or_asked_for_by_its_name_alone() {
        let options = |argv: &[String]| {
            let all = argv.join(" ").replace("\"", "");
            ["ControlMaster=", "ControlPath="].map(|option| {
                let at = all.find(option).unwrap();
                all[at..].split([' ', '\'']).next().unwrap().to_owned()
            })
        };
        let mut pull = pull();
        pull.proxy_jump = Some("ops@jump.example.net".parse().unwrap());
        let alone = ["ControlMaster=no", "ControlPath=none"];
        assert_eq!(options(&pull.argv()), alone);
        let master = pull.master_argv("connection");
        assert_eq!(
            options(&master),
            ["ControlMaster=yes", "ControlPath=connection"]
        );
        assert_eq!(
            master[master.len() - 3..],
            ["-N", "--", "web-01.example.net"]
        );
        // What carries it through the jump is a connection of its own.
        let jump = master
            .iter()
            .find(|word| word.starts_with("ProxyCommand="))
            .cloned();
        assert_eq!(options(&[jump.unwrap()]), alone);
        let shared = pull.argv_by(Control::Shared("connection"));
        assert_eq!(
            options(&shared),
            ["ControlMaster=no", "ControlPath=connection"]
        );
    }

    #[test]
    fn this_machine_needs_no_ssh() {
        let mut pull = pull();
        pull.address = "local".parse().unwrap();
        let argv = pull.argv();
        assert!(argv.iter().all(|word| !word.starts_with("--rsh")));
        assert_eq!(
            argv[argv.len() - 3..],
            ["/etc", "/var/www", "/mnt/b/web/.incomplete/manual/x/data/"]
        );
    }

    #[test]
    fn what_would_destroy_history_is_never_said() {
        let mut pull = pull();
        pull.rsync.specials = true;
        pull.rsync.bwlimit = Some(ByteCount(1));
        let argv = pull.argv();
        for word in [
            "--inplace",
            "--append",
            "--delete",
            "--copy-links",
            "-L",
            "--old-args",
            "--trust-sender",
            "-z",
        ] {
            assert!(!argv.iter().any(|w| w == word), "{word}");
        }
        assert!(argv.contains(&"--bwlimit=1".to_owned()));
    }

    #[test]
    fn references_are_shown_and_not_what_they_stand_for() {
        let shown = pull().shown(&[("web-01.example.net".into(), "(env)\"WEB\"".into())]);
        assert!(
            shown.contains("root@(env)") && !shown.contains("example.net"),
            "{shown}"
        );
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        let mut pull = pull();
        pull.address = "2001:db8::1".parse().unwrap();
        assert!(pull.argv().contains(&"root@[2001:db8::1]:/etc".to_owned()));
    }

    #[test]
    fn a_jump_has_our_own_options_and_every_word_is_quoted() {
        let mut pull = pull();
        pull.address = "2001:db8::7".parse().unwrap();
        pull.identity = Some("/etc/it's 100%/$(id)".parse().unwrap());
        pull.proxy_jump = Some("ops@jump.example.net:2222".parse().unwrap());
        let argv = pull.ssh_argv();
        assert!(!argv.contains(&"-J".to_owned()));
        let command = argv
            .iter()
            .find_map(|word| word.strip_prefix("ProxyCommand="))
            .unwrap();
        for words in [
            "ssh -F none ",
            " -p 2222 ",
            r#" 'IdentityFile="/etc/it'\''s 100%%%%/$(id)"' "#,
            " StrictHostKeyChecking=yes ",
            " -l ops -W '[2001:db8::7]:22' -- jump.example.net",
        ] {
            assert!(command.contains(words), "{words}: {command}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_settings_words_stay_where_they_belong(
            source in "/[ -~]{0,20}", pattern in "[ -~]{1,20}", identity in "/[ -~]{0,20}", xattrs in any::<bool>(),
        ) {
            let (Ok(source), Ok(pattern), Ok(identity)) =
                (source.parse::<SourcePath>(), pattern.parse::<ExcludePattern>(), identity.parse::<AbsolutePath>())
            else { return Ok(()) };
            let mut pull = pull();
            pull.sources = vec![source];
            pull.excludes = vec![pattern.clone()];
            pull.identity = Some(identity);
            pull.rsync.xattrs = xattrs;
            let argv = pull.argv();
            let dashes = argv.iter().position(|word| word == "--").unwrap();
            prop_assert_eq!(argv.len(), dashes + 3);
            prop_assert!(argv[dashes + 1].starts_with("root@web-01.example.net:/"));
            let exclude = format!("--exclude={pattern}");
            prop_assert!(argv[..dashes].contains(&exclude));
            prop_assert!(argv[1..dashes].iter().all(|word| word.starts_with("--")));
        }
    }
}
