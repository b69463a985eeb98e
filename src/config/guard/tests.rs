use proptest::prelude::*;
use rstest::rstest;

use super::check;

#[rstest]
#[case("")]
#[case("\u{feff}a")]
#[case("a { b { c; } }\n/- d { e }\nf")]
#[case("/- a {\n b\n}\n/- c {\n d\n}\n")]
#[case("x \"{{{{{{{{{{{{{{{{{{{{\" #\"{{{{{{{{{{{{{{{{{{{{\"# // {{{{{{{{{{{{{{{{{{{{{\n")]
#[case("/* { /* { */ */ a")]
#[case("a /-b c /-{ d }")]
#[case("/-\na { b }\nc { /- d\n }")]
#[case("a /-\"b\" {\n /- c\n}")]
#[case("a \\ // why\n  (env)\"B\" c = 1\r\n")]
#[case("a \"\\u{41}\\n \\\n   b\" -1 1.5 #null 1_000")]
fn ordinary_files_pass_and_parse(#[case] text: &str) {
    assert_eq!(check(text), Ok(()), "{text}");
    assert!(kdl::KdlDocument::parse_v2(text).is_ok(), "{text}");
}

/// Each of these, repeated, makes the parser run for hours or overflow its stack.
#[rstest]
#[case("a {\n", 17)]
#[case("a /-{\n", 4)]
#[case("/- a {\n b\n", 16)]
#[case("/*", 9)]
#[case("/- a { /- b }", 1)]
#[case("/-\na { /- b { c } }", 1)]
#[case("/- // why\na {\n", 4)]
#[case("/- a \"x\" \\\n { /- b }", 1)]
#[case("a{", 100_000)]
#[case("a /-{", 5_000)]
fn what_would_hang_or_overflow_the_parser_does_not_reach_it(
    #[case] unit: &str,
    #[case] times: usize,
) {
    assert!(check(&unit.repeat(times)).is_err(), "{unit}");
}

/// The parser skips to the next blank after a mistake, and then reads what stands in quotes as nodes.
#[rstest]
#[case("x 1. \"\"\"\n")]
#[case("x 1.\"\n")]
#[case("\"\n")]
#[case("#\"\n")]
#[case("a {} \"x\" \"")]
#[case("// \r")]
#[case("a\u{85}/- ")]
fn depth_cannot_hide_behind_a_mistake(#[case] start: &str) {
    assert!(check(&format!("{start}{}", "a{\n".repeat(100_000))).is_err());
}

#[test]
fn a_long_comment_does_not_overflow_the_parser() {
    let stars = |n: usize| format!("/*{}*/", "* ".repeat(n));
    assert!(check(&stars(9_000)).is_ok());
    assert_eq!(
        check(&stars(160_000)).map_err(|found| found[0].code),
        Err("too-complex")
    );
}

#[test]
fn several_mistakes_are_told_while_braces_still_count() {
    let messages = |text: &str| {
        check(text)
            .unwrap_err()
            .into_iter()
            .map(|found| found.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        messages("a true\nb /etc\nc d=\ne 20m\nf [x]\n\"g\n"),
        [
            "`true` is how KDL 1 writes it",
            "a path is written in quotes",
            "no value follows the `=`",
            "`20m` is neither a number nor a word",
            "`[x]` has to stand in quotes",
            "this text is not closed on its line",
        ]
    );
    assert_eq!(
        messages("a true {\n b\n}\n"),
        ["`true` is how KDL 1 writes it"]
    );
    assert_eq!(messages("a {\n b {\n }\n"), ["this `{` is never closed"]);
    assert_eq!(messages("a {\n}\n}\n"), ["this `}` closes nothing"]);
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{", "}", "{", "}", "/-", "/*", "*/", "/* { */", "// {\n", "\n", "\n", "\n", "\"", "\"x\"",
        "\"{\"", "#\"{\"#", "#\"", "\"\"\"", "\\", " \\\n ", ";", "=", "a=1", "(t)b", "(", ")",
        "a", "b ", " c", "#true", " ", " ", " ", "1", "1.", "-", "\r", "\r\n", "\u{85}",
        "\u{2028}", "\u{a0}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The parser never has to recover, so that it sees the blocks that were counted here.
    #[test]
    fn what_passes_parses(pieces in proptest::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        if check(&text).is_ok() {
            prop_assert!(kdl::KdlDocument::parse_v2(&text).is_ok(), "{text:?}");
        }
    }
}
