mod random;

use proptest::prelude::*;
use rstest::rstest;

use super::format;
use random::Document;

fn formatted(text: &str) -> String {
    match format(0, text) {
        Ok(text) => text,
        Err(found) => panic!("{found:?}\n{text}"),
    }
}

#[rstest]
#[case::empty("", "")]
#[case::mark_alone("\u{feff}", "")]
#[case::blank_lines("\n\n\na\n\n\n\nb {\n\n c\n\n}\n\n", "a\n\nb {\n    c\n}\n")]
#[case::windows(
    "\u{feff}a {\r\n\tb /* x\r\n y */\r\n}\r\n",
    "a {\n    b /* x\n y */\n}\n"
)]
#[case::blanks("a   1\t2  b = \"x\" ( env ) \"Y\"", "a 1 2 b=\"x\" (env)\"Y\"\n")]
#[case::one_node_a_line("a; b 1 ; c {d;e}", "a\nb 1\nc { d; e }\n")]
#[case::one_line_block("a{b;c;};", "a { b; c }\n")]
#[case::block_over_lines("a {\n b; c }", "a {\n    b\n    c\n}\n")]
#[case::empty_block("a {\n\n} ; b { }", "a {}\nb {}\n")]
#[case::slashdash_of_a_node("/-a {\n b\n}\n/-\n\nc", "/- a {\n    b\n}\n/- c\n")]
#[case::slashdash_of_the_rest("a /- 1 /-  x=2 /-\n{ b }", "a /-1 /-x=2 /-{ b }\n")]
#[case::slashdash_waits_across_a_comment(
    "/- // why\n// so\n\na 1",
    "/- // why\n    // so\n    a 1\n"
)]
#[case::continuation(
    "a 1 \\\n2 \\ // why\n  {\nb\n}",
    "a 1 \\\n    2 \\ // why\n    {\n    b\n}\n"
)]
#[case::continuation_of_nothing("\\\na \\\n\n\\ // x\nb \\ // y\n\n", "a\n// x\nb // y\n")]
#[case::comment_behind_a_semicolon("a; b; // c\nd; /* e */\n", "a\nb // c\nd /* e */\n")]
#[case::comment_behind_a_brace(
    "a { // b\n\n// c\n}\nd { /* e */ }",
    "a { // b\n    // c\n}\nd { /* e */ }\n"
)]
#[case::comment_in_front("/* a */ b; /* c */ d", "/* a */ b\n/* c */ d\n")]
#[case::comments_everywhere(
    "( /*1*/t/*2*/)a/*3*/b/*4*/=/*5*/1/*6*/{/*7*/}/*8*/;",
    "( /*1*/ t /*2*/ )a /*3*/ b /*4*/ = /*5*/ 1 /*6*/ { /*7*/ } /*8*/\n"
)]
#[case::texts(
    "a #\"{ // \"# \"/* \\\" ; \" \"x \\\n\n   y\"\n",
    "a #\"{ // \"# \"/* \\\" ; \" \"x \\\n\n   y\"\n"
)]
fn layouts(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn comments_in_one_column_stay_in_one_and_others_stay_near() {
    let text = "\
a {
  b 1      // column
  cc 2     // column
    dd \"x\"; // near
  e        // column
           // goes on

  longer 3   // three
  f            // far
}
";
    let expected = "\
a {
    b 1      // column
    cc 2     // column
    dd \"x\" // near
    e        // column
             // goes on

    longer 3   // three
    f   // far
}
";
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn a_block_that_is_too_wide_for_its_line_is_broken_open() {
    let word = "x".repeat(60);
    let text = format!("a {{ b {word} {{ c }}; d {word} }}\n");
    let expected = format!("a {{\n    b {word} {{ c }}\n    d {word}\n}}\n");
    assert_eq!(formatted(&text), expected);
    assert_eq!(formatted(&expected), expected);
}

#[test]
fn what_does_not_parse_is_not_laid_out() {
    let found = format(3, "a {\n b true\n").unwrap_err();
    assert_eq!(found[0].code, "syntax");
    assert_eq!(found[0].labels[0].0.file(), 3);
}

#[test]
fn what_could_not_be_read_again_is_not_laid_out() {
    let text = format!(
        "{}{}{}",
        "a{".repeat(12),
        "b;".repeat(100_000),
        "}".repeat(12)
    );
    assert_eq!(format(0, &text).unwrap_err()[0].code, "too-large");
}

#[test]
fn a_layout_that_says_something_else_is_found() {
    let is_same = |before: &str, after: &str| {
        let document = super::document::parse(0, before).unwrap();
        super::faithful::is_same(&document, before, after)
    };
    assert!(is_same("a; b /* c */ // d\r\n", "a\nb /* c */ // d\n"));
    for (before, after) in [
        ("a // b\n", "a\n"),
        ("a // b\n// c\n", "a // c\n// b\n"),
        ("a /* b */ c", "a c"),
        ("a \"b\"", "a b"),
        ("a /- b\n c", "a /- b c\n"),
        ("a\nb", "a b"),
        ("/- a\nb\n", "/- a b\n"),
        ("/- a { b; c 1 }\n", "/- a { b c 1 }\n"),
        ("a {}\n", "a\n"),
        ("a 1\n", "a 1 {\n"),
    ] {
        assert!(!is_same(before, after), "{before:?} {after:?}");
    }
}

#[rstest]
#[case::example(include_str!("../../../examples/pobsync.kdl"))]
#[case::language(include_str!("../../../schema/pobsync.kdl"))]
#[case::starter(include_str!("../starter.kdl"))]
fn what_we_ship_is_laid_out(#[case] text: &str) {
    assert_eq!(formatted(text), text);
}

#[test]
fn every_block_of_the_readme_is_laid_out() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<&str> = readme
        .split("```kdl\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert_eq!(formatted(block), block);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_twice_is_once(choices in proptest::collection::vec(any::<u16>(), 0..400)) {
        let document = Document::of(&choices);
        let once = formatted(&document.text);
        prop_assert_eq!(&formatted(&once), &once);
        // The words are numbered: each stands there once, in its order.
        let mut rest = once.as_str();
        for word in &document.words {
            let found = rest.find(word.as_str());
            prop_assert!(found.is_some(), "{word} is not where it was in\n{once}");
            prop_assert_eq!(once.matches(word.as_str()).count(), 1, "{}", word);
            rest = &rest[found.unwrap_or_default() + word.len()..];
        }
        for (comment, word) in &document.beside {
            let line = once.lines().find(|line| line.contains(comment.as_str())).unwrap_or_default();
            prop_assert!(line.contains(word.as_str()), "{comment} left {word} in\n{once}");
        }
        prop_assert!(!once.contains("\n\n\n") && !once.contains('\r') && !once.starts_with('\n'));
        prop_assert!(once.is_empty() || once.ends_with('\n'));
        prop_assert!(!once.lines().any(|line| line.ends_with(' ')), "{:?}", once);
        prop_assert!(!once.contains("{\n\n") && !once.contains("\n\n}"), "{:?}", once);
    }
}
