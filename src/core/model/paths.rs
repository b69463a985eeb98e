//! Paths and patterns that may reach a command line.

use compact_str::CompactString;

use super::Invalid;
use super::invalid::{text_newtype, text_on_the_wire};

/// Linux refuses longer paths (PATH_MAX, limits.h).
const MAX_PATH: usize = 4095;

/// An absolute path on this server, without `..` and control characters. It may be `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(CompactString);

text_newtype!(AbsolutePath);
text_on_the_wire!(AbsolutePath);

impl std::str::FromStr for AbsolutePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_absolute(text, "an absolute path").map(Self)
    }
}

/// An absolute path on the host that is backed up, without `..` and control characters, without a final slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath(CompactString);

text_newtype!(SourcePath);
text_on_the_wire!(SourcePath);

impl std::str::FromStr for SourcePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_absolute(text, "an absolute source path").map(Self)
    }
}

/// Checks the path and takes off slashes at the end, which would change what rsync does.
fn check_absolute(text: &str, expected: &'static str) -> Result<CompactString, Invalid> {
    let help = if !text.starts_with('/') {
        "it must begin with `/`"
    } else if text.len() > MAX_PATH {
        "it is longer than 4095 bytes"
    } else if text.chars().any(char::is_control) {
        "it must not hold control characters"
    } else if text.split('/').any(|part| part == ".." || part == ".") {
        "it must not hold `.` or `..` as a component"
    } else {
        let trimmed = text.trim_end_matches('/');
        return Ok(if trimmed.is_empty() { "/" } else { trimmed }.into());
    };
    Err(Invalid::new(text, expected, help))
}

/// An rsync filter pattern, as `--exclude` takes it; a leading `/` is the host's root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExcludePattern(CompactString);

text_newtype!(ExcludePattern);
text_on_the_wire!(ExcludePattern);

impl std::str::FromStr for ExcludePattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let help = if text.is_empty() {
            "it is empty"
        } else if text.len() > MAX_PATH {
            "it is longer than 4095 bytes"
        } else if text.chars().any(char::is_control) {
            "it must not hold control characters"
        } else if text.starts_with('-') {
            "it must not begin with `-`; write `[-]` for a leading hyphen"
        } else if text.starts_with("+ ") || text == "!" {
            // rsync(1), FILTER RULES: a pattern of --exclude that begins with "+ " includes, and "!" clears the list.
            "rsync takes this for another kind of rule than an exclude"
        } else {
            return Ok(Self(text.into()));
        };
        Err(Invalid::new(text, "an exclude pattern", help))
    }
}

/// The name of a file in a hooks folder: one path component of `[A-Za-z0-9._-]`, not beginning with `-` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookName(CompactString);

text_newtype!(HookName);
text_on_the_wire!(HookName);

impl std::str::FromStr for HookName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse::<super::Label>()
            .map(|_| Self(text.into()))
            .map_err(|e| Invalid::new(text, "the name of a hook", e.help))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{ExcludePattern, SourcePath};

    #[rstest]
    #[case("/etc", Some("/etc"))]
    #[case("/etc//", Some("/etc"))]
    #[case("/", Some("/"))]
    #[case("etc", None)]
    #[case("/a/../b", None)]
    #[case("/a/./b", None)]
    #[case("/a\nb", None)]
    #[case("-e", None)]
    #[case("", None)]
    fn a_source_is_absolute_and_plain(#[case] text: &str, #[case] want: Option<&str>) {
        assert_eq!(
            text.parse::<SourcePath>()
                .ok()
                .as_ref()
                .map(SourcePath::as_str),
            want,
            "{text:?}"
        );
    }

    #[rstest]
    #[case("/var/cache/*", true)]
    #[case("*.tmp", true)]
    #[case("-e sh", false)]
    #[case("+ /etc", false)]
    #[case("!", false)]
    #[case("", false)]
    #[case("a\u{1}", false)]
    fn a_pattern_can_only_exclude(#[case] text: &str, #[case] ok: bool) {
        assert_eq!(text.parse::<ExcludePattern>().is_ok(), ok, "{text:?}");
    }
}
