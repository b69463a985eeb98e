//! Host keys: asked for, shown, and added to the file that trusts them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8Path;

use super::process::{collect, command};
use super::stop::Stop;
use crate::core::model::Address;

/// A key that a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedKey {
    /// `ssh-ed25519` and its kin.
    pub kind: String,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// The line for the file: host, kind, key.
    pub line: String,
}

/// A few keys fit many times.
const LONGEST: usize = 64 * 1024;

/// Asks a host for its keys.
///
/// # Errors
/// What went wrong, one sentence.
pub fn scan(address: &Address, port: u16, patience: Duration) -> Result<Vec<OfferedKey>, String> {
    let argv = [
        "ssh-keyscan",
        "-T",
        &patience.as_secs().to_string(),
        "-p",
        &port.to_string(),
        "--",
        address.as_str(),
    ];
    let never = Stop::new();
    let mut asked = command(&argv.map(String::from));
    asked
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (ended, text) = collect(&mut asked, patience * 3, &never, LONGEST)
        .map_err(|e| format!("cannot run ssh-keyscan: {e}"))?;
    let name = host_name(address, port);
    let keys: Vec<OfferedKey> = text
        .lines()
        .filter_map(|line| offered(line, &name))
        .collect();
    if keys.is_empty() {
        return Err(ended
            .complaints
            .into_iter()
            .rev()
            .find(|l| !l.starts_with('#'))
            .unwrap_or("it does not answer".into()));
    }
    Ok(keys)
}

/// sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: another port than 22 stands behind the bracketed address.
fn host_name(address: &Address, port: u16) -> String {
    if port == 22 {
        address.to_string()
    } else {
        format!("[{address}]:{port}")
    }
}

/// The host may send anything: only a line of three plain words with a key in it counts, under the name we asked for.
fn offered(line: &str, name: &str) -> Option<OfferedKey> {
    let mut words = line.split_ascii_whitespace();
    let (_, kind, key) = (words.next()?, words.next()?, words.next()?);
    let is_kind = kind.len() < 64
        && kind
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'@' | b'.'));
    let bytes = from_base64(key)?;
    // RFC 4253, section 6.6: the blob begins with the kind's name and its length.
    let says = bytes.get(4..4 + kind.len())?;
    if !is_kind || says != kind.as_bytes() {
        return None;
    }
    let digest = {
        use sha2::Digest as _;
        sha2::Sha256::digest(&bytes)
    };
    Some(OfferedKey {
        kind: kind.to_owned(),
        fingerprint: format!("SHA256:{}", to_base64(&digest)),
        line: format!("{name} {kind} {key}"),
    })
}

/// Adds keys to `path`: other lines stay, older ones of the same host and kind go. Whole or not at all.
///
/// # Errors
/// When the file cannot be read or written.
pub fn add_known_host(path: &Utf8Path, keys: &[OfferedKey]) -> std::io::Result<()> {
    let old = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let is_replaced = |line: &str| {
        keys.iter().any(|key| {
            line.split_ascii_whitespace()
                .take(2)
                .eq(key.line.split_ascii_whitespace().take(2))
        })
    };
    let mut text = String::new();
    for line in old
        .lines()
        .filter(|line| !is_replaced(line))
        .chain(keys.iter().map(|key| key.line.as_str()))
    {
        text.push_str(line);
        text.push('\n');
    }
    let folder = path
        .parent()
        .filter(|p| !p.as_str().is_empty())
        .unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = folder.join(format!(
        ".{}.{}.new",
        path.file_name().unwrap_or("known_hosts"),
        std::process::id()
    ));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, path))
        .and_then(|()| std::fs::File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4, without padding, as OpenSSH shows digests.
fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            let six = (word >> (18 - 6 * i)) & 63;
            out.push(ALPHABET.get(six as usize).map_or('A', |c| char::from(*c)));
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            word = word << 6 | u32::try_from(ALPHABET.iter().position(|c| c == byte)?).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        let bytes = word.to_be_bytes();
        out.extend(bytes.get(1..chunk.len())?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEbLiyQPbCGO4/vN1FxbhbXPvKcsKfPQRnKNDzPqYAPY";

    #[test]
    fn a_key_is_shown_as_ssh_keygen_shows_it() {
        let key = offered(&format!("host ssh-ed25519 {KEY}"), "[192.0.2.1]:2222").unwrap();
        assert_eq!(key.line, format!("[192.0.2.1]:2222 ssh-ed25519 {KEY}"));
        assert_eq!(key.fingerprint.len(), "SHA256:".len() + 43);
        assert_eq!(
            from_base64(KEY).map(|b| to_base64(&b)).as_deref(),
            Some(KEY)
        );
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        for line in [
            "",
            "# comment",
            "host ssh-ed25519 !!!",
            "host ssh-rsa AAAA",
            &format!("host ssh-rsa {KEY}"),
        ] {
            assert_eq!(offered(line, "h"), None, "{line}");
        }
    }

    #[test]
    fn enrolling_again_replaces_the_key_and_leaves_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path())
            .unwrap()
            .join("a/known_hosts");
        let key = |line: &str| OfferedKey {
            kind: "k".into(),
            fingerprint: "f".into(),
            line: line.into(),
        };
        add_known_host(&path, &[key("a k 1"), key("b k 1")]).unwrap();
        add_known_host(&path, &[key("a k 2")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b k 1\na k 2\n");
    }
}
