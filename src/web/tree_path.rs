//! Paths into a snapshot as parts of an address: any bytes, percent-encoded once, decoded once, never joined to a text.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::failure::Failure;
use crate::core::model::{HostName, SnapshotKind, SnapshotName, visible};
use crate::disk::TreeName;

/// An address below `/hosts/HOST/snapshots/KIND/NAME/files/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreePath {
    pub(super) host: HostName,
    pub(super) kind: SnapshotKind,
    pub(super) name: SnapshotName,
    /// Below the tree of the snapshot; nothing for the tree itself.
    pub(super) inside: Vec<TreeName>,
    /// It ends with a slash.
    pub(super) is_directory: bool,
}

impl TreePath {
    /// The address of something in a snapshot.
    pub(super) fn to(&self, inside: &[TreeName], is_directory: bool) -> String {
        let mut out = format!(
            "/hosts/{}/snapshots/{}/{}/files/",
            self.host,
            self.kind,
            encoded(self.name.as_str().as_bytes())
        );
        for (i, name) in inside.iter().enumerate() {
            if i > 0 {
                out.push('/');
            }
            out.push_str(&encoded(name.as_bytes()));
        }
        if is_directory && !inside.is_empty() {
            out.push('/');
        }
        out
    }

    fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/hosts/")?.split('/');
        let host = text(parts.next()?)?.parse().ok()?;
        if parts.next()? != "snapshots" {
            return None;
        }
        let kind = text(parts.next()?)?.parse().ok()?;
        let name = text(parts.next()?)?.parse().ok()?;
        if parts.next()? != "files" {
            return None;
        }
        let mut rest: Vec<&str> = parts.collect();
        let is_directory = rest.last()?.is_empty();
        if is_directory {
            rest.pop();
        }
        let names = rest.into_iter().map(|part| TreeName::new(decoded(part)?));
        Some(Self {
            host,
            kind,
            name,
            inside: names.collect::<Option<_>>()?,
            is_directory,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for TreePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::parse(parts.uri.path()).ok_or_else(nothing_there)
    }
}

/// What is answered whatever the reason is that a path leads to nothing that is shown.
pub(super) fn nothing_there() -> Failure {
    Failure::not_found("There is no such file or directory in this snapshot.").with_help(
        "Links are shown and not followed, and devices, sockets and fifos have no content.",
    )
}

/// A name as people see it: nothing of it moves a cursor, and bytes that are no text are shown as such.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Bytes as a part of an address: nothing of them is more than a letter there.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    let mut bytes = part.bytes();
    let mut out = Vec::with_capacity(part.len());
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            u8::try_from(value).ok()?
        } else {
            byte
        });
    }
    Some(out)
}

fn text(part: &str) -> Option<String> {
    String::from_utf8(decoded(part)?).ok()
}

/// `Content-Disposition` for a download: a plain name for all, the true one for those who know RFC 8187.
pub(super) fn attachment(name: &[u8]) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let plain: String = name
        .iter()
        .map(|b| if is_plain(b) { char::from(*b) } else { '_' })
        .collect();
    // Leading dots make hidden files of downloads.
    let plain = format!("_{}", plain.trim_start_matches('.'))
        .trim_start_matches('_')
        .to_owned();
    let plain = if plain.is_empty() { "file" } else { &plain };
    let true_name = shown_as_file(name);
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        encoded(true_name.as_bytes())
    )
}

/// The name under which a file is saved: text, without what moves cursors or reorders.
fn shown_as_file(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars()
        .map(|c| {
            if visible(c.encode_utf8(&mut [0; 4])).chars().count() == 1 && !matches!(c, '\\' | '/')
            {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const BASE: &str = "/hosts/web-01/snapshots/manual/20261122-021500Z__ab12cd/files/";

    fn inside(rest: &str) -> Option<Vec<Vec<u8>>> {
        let path = TreePath::parse(&format!("{BASE}{rest}"))?;
        Some(path.inside.iter().map(|n| n.as_bytes().to_vec()).collect())
    }

    #[rstest]
    #[case("..")]
    #[case("../etc/passwd")]
    #[case("etc/../../x")]
    #[case("%2e%2e/etc")]
    #[case("%2E%2e%2fetc")]
    #[case("a%2fb")]
    #[case("a%00b")]
    #[case("./a")]
    #[case("a//b")]
    #[case("/etc/passwd")]
    #[case("%")]
    #[case("%2")]
    #[case("%zz")]
    fn what_could_lead_elsewhere_is_no_path(#[case] rest: &str) {
        assert_eq!(inside(rest), None);
    }

    #[test]
    fn what_is_encoded_twice_is_decoded_once() {
        assert_eq!(
            inside("%252e%252e%252fetc"),
            Some(vec![b"%2e%2e%2fetc".to_vec()])
        );
        assert_eq!(inside(""), Some(vec![]));
        assert_eq!(inside("a/b/"), Some(vec![b"a".to_vec(), b"b".to_vec()]));
    }

    #[rstest]
    #[case(
        b"notes.txt",
        "attachment; filename=\"notes.txt\"; filename*=UTF-8''notes.txt"
    )]
    #[case(
        b"a\"; x=\"b",
        "attachment; filename=\"a___x__b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"
    )]
    #[case(
        b".bashrc",
        "attachment; filename=\"bashrc\"; filename*=UTF-8''.bashrc"
    )]
    #[case("né\r\n".as_bytes(), "attachment; filename=\"n____\"; filename*=UTF-8''n%C3%A9__")]
    #[case(b"\xff", "attachment; filename=\"file\"; filename*=UTF-8''%EF%BF%BD")]
    #[case("gpj\u{202e}exe".as_bytes(), "attachment; filename=\"gpj___exe\"; filename*=UTF-8''gpj_exe")]
    fn a_download_has_a_name_that_does_no_harm(#[case] name: &[u8], #[case] header: &str) {
        assert_eq!(attachment(name), header);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_bytes() {
        assert_eq!(shown(b"a\xff\n\xe2\x80\xae"), "a\\xff\\n\\u{202e}");
    }

    proptest! {
        #[test]
        fn every_name_comes_back_from_its_address(names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..4)) {
            let names: Option<Vec<TreeName>> = names.into_iter().map(TreeName::new).collect();
            if let Some(names) = names {
                let base = TreePath::parse(BASE);
                prop_assert!(base.is_some());
                if let Some(base) = base {
                    for is_directory in [true, false] {
                        let again = TreePath::parse(&base.to(&names, is_directory));
                        prop_assert_eq!(again.map(|p| p.inside), Some(names.clone()));
                    }
                }
            }
        }
    }
}
