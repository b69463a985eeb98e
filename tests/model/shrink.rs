//! Cuts a failing sequence down: larger parts first, then one by one.

/// A failure takes seconds to be tried: this many tries, and what is left then is printed.
const TRIES: usize = 120;

pub(crate) fn shrink<T: Clone>(mut steps: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut part = steps.len() / 2;
    let mut tries = 0;
    while part > 0 {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < steps.len() && tries < TRIES {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + part).min(steps.len()));
            tries += 1;
            if fails(&fewer) {
                steps = fewer;
                has_shrunk = true;
            } else {
                at += part;
            }
        }
        if tries >= TRIES {
            break;
        }
        if !(has_shrunk && part == 1) {
            part /= 2;
        }
    }
    steps
}

/// The same promise is broken: names and numbers differ from run to run.
pub(crate) fn same(one: &[String], other: &[String]) -> bool {
    let bare = |text: &String| -> String {
        let words = text
            .split(' ')
            .filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic));
        words.collect::<Vec<_>>().join(" ")
    };
    one.iter()
        .any(|broken| other.iter().any(|found| bare(broken) == bare(found)))
}
