//! A configuration that was sent: files that include each other and nothing else. No file of this machine is opened.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::guard;
use super::include::IncludeError;

/// Names are shown and compared, never opened.
const LONGEST_NAME: usize = 1024;

/// Why files that were sent are no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first file is not among them.
    #[error("the entry {0} is not among the files")]
    NoEntry(Utf8PathBuf),
    /// A file lies outside the folder of the first one, where no include reaches it.
    #[error("{0} does not lie below the folder of the entry")]
    Outside(Utf8PathBuf),
    /// A name that cannot be shown.
    #[error(
        "the name of a file is empty, longer than {LONGEST_NAME} bytes, or holds control characters"
    )]
    Name,
    /// More than a configuration may be.
    #[error("all files together are larger than 4 MiB")]
    TooLarge,
}

/// Files by name, and the one that is read first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    entry: Utf8PathBuf,
    files: BTreeMap<Utf8PathBuf, String>,
}

impl Bundle {
    /// Files that were sent together; `entry` is read first.
    ///
    /// # Errors
    /// When the entry is missing, a file lies where no include reaches it, or there is too much of it.
    pub fn new(entry: &str, files: BTreeMap<String, String>) -> Result<Self, BundleError> {
        let sum: usize = files.values().map(String::len).sum();
        if sum as u64 > guard::LARGEST {
            return Err(BundleError::TooLarge);
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
        };
        if !is_name(entry) || !files.keys().all(|name| is_name(name)) {
            return Err(BundleError::Name);
        }
        let bundle = Self {
            entry: entry.into(),
            files: files
                .into_iter()
                .map(|(name, text)| (name.into(), text))
                .collect(),
        };
        if !bundle.files.contains_key(&bundle.entry) {
            return Err(BundleError::NoEntry(bundle.entry));
        }
        let root = bundle.root().to_owned();
        let outside = bundle.files.keys().find(|name| !name.starts_with(&root));
        match outside {
            Some(name) => Err(BundleError::Outside(name.clone())),
            None => Ok(bundle),
        }
    }

    /// The file that is read first.
    pub(super) fn entry(&self) -> &Utf8Path {
        &self.entry
    }

    /// Its folder.
    pub(super) fn root(&self) -> &Utf8Path {
        self.entry.parent().unwrap_or(Utf8Path::new(""))
    }

    /// The text of one of its files.
    pub(super) fn bytes(&self, name: &Utf8Path) -> Vec<u8> {
        let text = self.files.get(name).map_or("", String::as_str);
        text.as_bytes().to_vec()
    }

    /// The files below `folder` that `pattern` means, as if they lay on disk.
    ///
    /// # Errors
    /// When the pattern is none.
    pub(super) fn included(
        &self,
        folder: &Utf8Path,
        pattern: &str,
    ) -> Result<Vec<Utf8PathBuf>, IncludeError> {
        let wanted = pattern
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .map(Component::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let is_meant = |name: &Utf8Path| {
            let below = name.strip_prefix(folder).ok();
            below.is_some_and(|below| {
                let names: Vec<&str> = below.components().map(|part| part.as_str()).collect();
                matches(&wanted, &names)
            })
        };
        let found = self.files.keys().filter(|name| is_meant(name));
        Ok(found.cloned().collect())
    }
}

/// One component of a pattern.
enum Component<'a> {
    /// `**`: any number of folders, hidden ones left out.
    Folders,
    Name(&'a str),
    Pattern(glob::Pattern),
}

impl<'a> Component<'a> {
    fn parse(text: &'a str) -> Result<Self, IncludeError> {
        if text == "**" {
            Ok(Self::Folders)
        } else if text.contains(['*', '?', '[']) {
            let pattern = glob::Pattern::new(text);
            pattern
                .map(Self::Pattern)
                .map_err(|error| IncludeError::Pattern(error.msg))
        } else {
            Ok(Self::Name(text))
        }
    }

    fn is(&self, name: &str) -> bool {
        let options = glob::MatchOptions {
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        match self {
            Self::Folders => false,
            Self::Name(wanted) => *wanted == name,
            Self::Pattern(pattern) => pattern.matches_with(name, options),
        }
    }
}

/// Keeps, for each prefix of the pattern, whether it means the names so far: linear in both, whatever they hold.
fn matches(wanted: &[Component<'_>], names: &[&str]) -> bool {
    let mut reached = vec![false; wanted.len() + 1];
    let through_folders = |reached: &mut [bool]| {
        for (at, component) in wanted.iter().enumerate() {
            if reached[at] && matches!(component, Component::Folders) {
                reached[at + 1] = true;
            }
        }
    };
    reached[0] = true;
    through_folders(&mut reached);
    for (nth, name) in names.iter().enumerate() {
        let is_folder = nth + 1 < names.len();
        let mut next = vec![false; wanted.len() + 1];
        for (at, component) in wanted.iter().enumerate() {
            if !reached[at] {
                continue;
            }
            match component {
                Component::Folders => next[at] |= is_folder && !name.starts_with('.'),
                _ => next[at + 1] |= component.is(name),
            }
        }
        through_folders(&mut next);
        reached = next;
    }
    // `**` alone means folders, and a folder is no file.
    reached[wanted.len()] && !matches!(wanted.last(), None | Some(Component::Folders))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::load_bundle;
    use crate::config::memory::{Memory, key_of};

    fn bundle(files: &[(&str, &str)]) -> Result<Bundle, BundleError> {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Bundle::new("conf/main.kdl", files.collect())
    }

    #[rstest]
    #[case("hosts/*.kdl", &["conf/hosts/a.kdl", "conf/hosts/b.kdl"])]
    #[case("./hosts//a.kdl", &["conf/hosts/a.kdl"])]
    #[case("**/*.kdl", &["conf/hosts/a.kdl", "conf/hosts/b.kdl", "conf/hosts/deep/c.kdl", "conf/main.kdl"])]
    #[case("hosts/**/c.kdl", &["conf/hosts/deep/c.kdl"])]
    #[case("hosts/.*.kdl", &["conf/hosts/.hidden.kdl"])]
    #[case("hosts", &[])]
    #[case("**", &[])]
    #[case("*", &["conf/main.kdl"])]
    fn a_pattern_means_what_it_means_on_disk(#[case] pattern: &str, #[case] wanted: &[&str]) {
        let names = [
            "conf/main.kdl",
            "conf/hosts/b.kdl",
            "conf/hosts/a.kdl",
            "conf/hosts/.hidden.kdl",
            "conf/hosts/deep/c.kdl",
            "conf/.git/d.kdl",
        ];
        let bundle = bundle(&names.map(|name| (name, ""))).unwrap();
        let found = bundle.included(Utf8Path::new("conf"), pattern).unwrap();
        assert_eq!(found, wanted);

        // The same on a disk.
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for name in names {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        let conf = root.join("conf");
        let mut watched = crate::config::Watched::default();
        let there = crate::config::include::files(&conf, &conf, pattern, &mut watched).unwrap();
        let there: Vec<&Utf8Path> = there
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap())
            .collect();
        assert_eq!(there, wanted);
    }

    #[test]
    fn files_include_each_other_and_nothing_of_this_machine() {
        let host = "host \"a\" { address \"192.0.2.1\"; source \"/etc\" }";
        let sent = bundle(&[
            ("conf/main.kdl", "include \"hosts/*.kdl\""),
            ("conf/hosts/a.kdl", host),
        ]);
        let loaded = load_bundle(sent.unwrap());
        assert_eq!(loaded.state.unwrap().hosts.len(), 1);
        assert_eq!(loaded.files[1].path, "conf/hosts/a.kdl");

        let folder = tempfile::tempdir().unwrap();
        let there = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        std::fs::write(there.join("secret.kdl"), host).unwrap();
        let entry = there.join("main.kdl");
        let files = BTreeMap::from([(entry.to_string(), "include \"secret.kdl\"".to_owned())]);
        let loaded = load_bundle(Bundle::new(entry.as_str(), files).unwrap());
        assert!(loaded.state.is_none());
        assert_eq!(loaded.report.findings()[0].code, "no-match");
    }

    #[test]
    fn what_was_sent_before_says_the_same_and_is_not_parsed_again() {
        let many: String = (0..2_000)
            .map(|i| format!("host \"sent-{i}\" {{ address \"192.0.2.1\"; source \"/etc\" }}\n"))
            .collect();
        let told = |more: &str| {
            let main = format!("include \"hosts.kdl\"\n{more}");
            let sent = bundle(&[("conf/main.kdl", &main), ("conf/hosts.kdl", &many)]).unwrap();
            let loaded = load_bundle(sent);
            (loaded.report.text(false, 100), loaded.state)
        };
        let is_known = |text: &str| Memory::of_sent().find(&key_of(text)).is_some();
        assert!(!is_known(&many));
        let first = told("");
        assert_eq!(first.1.as_ref().map(|state| state.hosts.len()), Some(2_000));
        assert!(is_known(&many));
        assert_eq!(told(""), first);
        let wrong = "host \"sent-7\" { address \"x y\"; source \"/\" }\n";
        let second = told(wrong);
        assert!(second.0.contains("conf/hosts.kdl:8"), "{}", second.0);
        assert_eq!(told(wrong), second);
    }

    #[test]
    fn a_file_that_includes_itself_or_comes_twice_is_refused() {
        for (text, code) in [
            ("include \"main.kdl\"", "include-cycle"),
            ("include \"a.kdl\"; include \"a.kdl\"", "included-twice"),
        ] {
            let sent = bundle(&[("conf/main.kdl", text), ("conf/a.kdl", "")]).unwrap();
            let loaded = load_bundle(sent);
            assert_eq!(loaded.report.findings()[0].code, code);
        }
    }

    #[test]
    fn what_no_include_can_reach_is_told() {
        let missing = bundle(&[("conf/other.kdl", "")]);
        assert_eq!(missing, Err(BundleError::NoEntry("conf/main.kdl".into())));
        let outside = bundle(&[("conf/main.kdl", ""), ("etc/x.kdl", "")]);
        assert_eq!(outside, Err(BundleError::Outside("etc/x.kdl".into())));
        let large = "x".repeat(4 << 20);
        let large = bundle(&[("conf/main.kdl", &large), ("conf/x.kdl", "x")]);
        assert_eq!(large, Err(BundleError::TooLarge));
        assert_eq!(
            bundle(&[("conf/main.kdl", ""), ("conf/a\nb", "")]),
            Err(BundleError::Name)
        );
    }

    #[test]
    fn many_stars_take_no_time() {
        let deep = format!("conf/{}x.kdl", "a/".repeat(400));
        let sent = bundle(&[("conf/main.kdl", ""), (&deep, "")]).unwrap();
        let pattern = format!("{}y.kdl", "**/".repeat(400));
        let found = sent.included(Utf8Path::new("conf"), &pattern).unwrap();
        assert!(found.is_empty());
    }
}
