//! What rsync says while it works (`--info=progress2`).

/// How far a transfer is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At {
    /// Bytes of files handled, holes too.
    pub(super) bytes: u64,
    /// Names that are known of, as many as have come by now.
    pub(super) names: u64,
}

/// A progress line: `     1234567  45%   12.3MB/s    0:00:01 (xfr#1, to-chk=0/3)`. Its names are counted by the rsync that
/// writes it, which is ours.
pub(super) fn progress(line: &str) -> Option<At> {
    let mut words = line.split_ascii_whitespace();
    let bytes = words.next()?.parse().ok()?;
    words.next()?.strip_suffix('%')?.parse::<u32>().ok()?;
    let names = words.last().and_then(|word| {
        let (_, names) = word.strip_suffix(')')?.rsplit_once('/')?;
        names.parse().ok()
    });
    Some(At {
        bytes,
        names: names.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn a_line_says_how_many_bytes_and_names_there_are() {
        let at = |line: &str| progress(line).map(|at| (at.bytes, at.names));
        let line = "     1234567  45%   12.3MB/s    0:00:01 (xfr#1, to-chk=0/3)";
        assert_eq!(at(line), Some((1_234_567, 3)));
        let line = " 1234567  45%   12.3MB/s    0:00:01 (xfr#1, ir-chk=1005/50312)";
        assert_eq!(at(line), Some((1_234_567, 50_312)));
        // Before the first file has ended there are no names.
        assert_eq!(at("  32768   0%    0.00kB/s    0:00:00"), Some((32_768, 0)));
        for other in ["", "sent 12 bytes", "12 files to consider", "x 4% (/9)"] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}
