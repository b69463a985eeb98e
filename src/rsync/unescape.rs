//! Names in what rsync says.
//!
//! Without `--8-bit-output` and in the locale C (log.c, filtered_fwrite), a byte that does not print is `\#ooo`, and so is
//! a backslash that looks like the beginning of one: what is read back is what the name holds, byte by byte.

/// The bytes that a text of rsync stands for.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.split_at_checked(4).and_then(|(code, after)| {
            let digits = code.strip_prefix(b"#").filter(|_| *first == b'\\')?;
            let octal = digits.iter().try_fold(0u32, |n, digit| {
                matches!(digit, b'0'..=b'7').then(|| n * 8 + u32::from(digit - b'0'))
            });
            Some((u8::try_from(octal?).ok()?, after))
        });
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::unescaped;

    #[rstest]
    #[case("etc/a b", b"etc/a b")]
    #[case("a\\#012b\tc", b"a\nb\tc")]
    #[case("\\#303\\#251\\#377", b"\xc3\xa9\xff")]
    #[case("a\\#134#012", b"a\\#012")]
    #[case("a\\#01", b"a\\#01")]
    #[case("a\\#400\\#08x", b"a\\#400\\#08x")]
    fn bytes_read_back_as_they_were(#[case] text: &str, #[case] want: &[u8]) {
        assert_eq!(unescaped(text.as_bytes()), want);
    }
}
