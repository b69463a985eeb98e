//! Numbers of a fixed width, digit by digit: the general way to format takes longer than all else where a plan of a large
//! fleet writes a million times.

use compact_str::CompactString;

/// Writes `n`, of which the last two digits count, at `at`.
pub(crate) fn put(text: &mut [u8], at: usize, n: u32) {
    const ZERO: u32 = b'0' as u32;
    if let Some([tens, ones]) = text.get_mut(at..at + 2) {
        *tens = u8::try_from(ZERO + n / 10 % 10).unwrap_or(b'?');
        *ones = u8::try_from(ZERO + n % 10).unwrap_or(b'?');
    }
}

/// The text of digits and what stands between them.
pub(crate) fn text_of(digits: &[u8]) -> CompactString {
    CompactString::from_utf8_lossy(digits)
}

#[cfg(test)]
mod tests {
    use super::{put, text_of};

    #[test]
    fn two_digits_are_put_where_they_belong_and_nothing_beyond_the_end() {
        let mut text = *b"__:__";
        put(&mut text, 0, 7);
        put(&mut text, 3, 1_942);
        put(&mut text, 4, 11);
        assert_eq!(text_of(&text), "07:42");
    }
}
