#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Class, Frees, Key, LeftOut, Present, Usage};
use crate::core::model::SnapshotKind;

fn key(n: usize) -> Key {
    (SnapshotKind::Scheduled, format!("s{n:02}").parse().unwrap())
}

fn class(members: &[usize], bytes: u64) -> Class {
    Class {
        members: members.to_vec(),
        bytes,
    }
}

/// Four snapshots: what all share, what two share, what each has alone, and what two share that are not neighbours.
fn four() -> Usage {
    Usage {
        snapshots: (0..4).map(key).collect(),
        classes: vec![
            class(&[0, 1, 2, 3], 1000),
            class(&[0], 1),
            class(&[1], 2),
            class(&[0, 1], 20),
            class(&[0, 2], 200),
            class(&[3], 8),
        ],
        elsewhere: 7,
        left_out: Vec::new(),
    }
}

fn frees(usage: &Usage, present: &[(usize, Option<usize>)], doomed: &[usize]) -> Frees {
    let keys: Vec<Key> = present.iter().map(|(n, _)| key(*n)).collect();
    let bases: Vec<Option<Key>> = present.iter().map(|(_, base)| base.map(key)).collect();
    let present: Vec<Present<'_>> = keys
        .iter()
        .zip(&bases)
        .map(|(key, base)| Present {
            key,
            base: base.as_ref().map(|(_, name)| name),
        })
        .collect();
    let doomed: Vec<Key> = doomed.iter().map(|n| key(*n)).collect();
    usage.frees(&present, &doomed.iter().collect::<BTreeSet<_>>())
}

fn all(count: usize) -> Vec<(usize, Option<usize>)> {
    (0..count).map(|n| (n, n.checked_sub(1))).collect()
}

fn exactly(bytes: u64) -> Frees {
    Frees { bytes, exact: true }
}

#[test]
fn a_set_frees_what_lies_within_it() {
    let usage = four();
    assert_eq!(frees(&usage, &all(4), &[]), exactly(0));
    assert_eq!(frees(&usage, &all(4), &[0]), exactly(1));
    assert_eq!(frees(&usage, &all(4), &[0, 1]), exactly(23));
    assert_eq!(frees(&usage, &all(4), &[0, 1, 2]), exactly(223));
    assert_eq!(frees(&usage, &all(4), &[0, 1, 2, 3]), exactly(1231));
    assert_eq!((usage.alone(1), usage.held(1)), (2, 1022));
    assert_eq!(usage.total(), 1238);
}

#[test]
fn what_has_gone_since_shares_nothing_any_more() {
    let usage = four();
    let left = [(0, None), (2, Some(1)), (3, Some(2))];
    assert_eq!(frees(&usage, &left, &[0]), exactly(21));
}

#[test]
fn what_has_come_since_may_share_what_its_base_has() {
    let usage = four();
    assert_eq!(frees(&usage, &all(5), &[0, 1]), exactly(23));
    let with_base = Frees {
        bytes: 223,
        exact: false,
    };
    assert_eq!(frees(&usage, &all(5), &[0, 1, 2, 3]), with_base);
    // It goes itself, and nobody knows how large it is.
    let unknown = Frees {
        bytes: 1231,
        exact: false,
    };
    assert_eq!(frees(&usage, &all(5), &[0, 1, 2, 3, 4]), unknown);
    // Without a base that is known it may share anything.
    let mut present = all(4);
    present.push((9, None));
    let nothing = Frees {
        bytes: 0,
        exact: false,
    };
    assert_eq!(frees(&usage, &present, &[0]), nothing);
}

#[test]
fn what_could_not_be_looked_at_frees_at_least_what_was_seen_of_it() {
    let mut usage = four();
    usage.left_out.push(LeftOut {
        member: Some(1),
        why: "cannot open /root/web/manual/s01".to_owned(),
        more: 2,
    });
    let at_least = |bytes| Frees {
        bytes,
        exact: false,
    };
    assert_eq!(frees(&usage, &all(4), &[0]), exactly(1));
    assert_eq!(frees(&usage, &all(4), &[1]), at_least(2));
    assert_eq!(frees(&usage, &all(4), &[0, 1]), at_least(23));
    assert_eq!(Usage::parse(&usage.to_text()).unwrap(), usage);
}

#[test]
fn it_reads_back_and_nonsense_does_not() {
    let usage = four();
    let text = usage.to_text();
    assert!(text.contains(r#"["0-3",1000]"#), "{text}");
    assert_eq!(Usage::parse(&text).unwrap(), usage);
    for bad in ["", "{}", "[]"] {
        assert!(Usage::parse(bad).is_err());
    }
    for runs in ["", "4", "0-9", "2-1", "1,0", "0,0", "x"] {
        let text = text.replace("0-3", runs);
        assert!(Usage::parse(&text).is_err(), "{runs}");
    }
}

proptest! {
    #[test]
    fn any_members_read_back(members: BTreeSet<u8>) {
        prop_assume!(!members.is_empty());
        let usage = Usage {
            snapshots: (0..256).map(key).collect(),
            classes: vec![class(&members.iter().map(|m| usize::from(*m)).collect::<Vec<_>>(), 5)],
            elsewhere: 0,
            left_out: Vec::new(),
        };
        prop_assert_eq!(Usage::parse(&usage.to_text()).unwrap(), usage);
    }
}
