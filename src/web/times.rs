//! Times as people read them: in the zone of the site, with UTC on hover.

use chrono_tz::Tz;
use maud::{Markup, html};

use crate::core::model::{Timestamp, visible};

/// A moment to the minute.
pub(super) fn moment(at: Timestamp, zone: Tz) -> Markup {
    let utc = at.utc();
    let there = utc.with_timezone(&zone);
    html! {
        time datetime=(utc.format("%Y-%m-%dT%H:%M:%SZ")) title=(utc.format("%Y-%m-%d %H:%M:%S UTC")) {
            (there.format("%Y-%m-%d %H:%M"))
        }
    }
}

/// A sentence of ours with the times that it names as [`moment`]s.
pub(super) fn told(text: &str, zone: Tz) -> Markup {
    html! {
        @for (i, word) in visible(text).split(' ').enumerate() {
            @if i > 0 { " " }
            @let bare = word.trim_end_matches([';', ',', '.', ')']);
            @match bare.parse::<Timestamp>() {
                Ok(at) if bare.ends_with('Z') => { (moment(at, zone)) (word.strip_prefix(bare).unwrap_or_default()) }
                _ => (word),
            }
        }
    }
}

/// How long ago, in the largest unit that says enough.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = (now.millis() - at.millis()) / 1000;
    match seconds {
        i64::MIN..0 => "in the future".to_owned(),
        0..120 => "just now".to_owned(),
        120..7200 => format!("{} minutes ago", seconds / 60),
        7200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// How long something took.
pub(super) fn lasted(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.millis() - from.millis()).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(-1, "in the future")]
    #[case(0, "just now")]
    #[case(119, "just now")]
    #[case(120, "2 minutes ago")]
    #[case(7200, "2 hours ago")]
    #[case(172_800, "2 days ago")]
    fn ages_are_told_in_the_largest_unit(#[case] seconds: i64, #[case] said: &str) {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let then = Timestamp::from_millis(now.millis() - seconds * 1000);
        assert_eq!(ago(then, now), said);
    }

    #[test]
    fn a_moment_is_shown_in_the_zone_and_in_utc() {
        let at: Timestamp = "2026-06-01T22:30:00Z".parse().unwrap();
        let text = moment(at, Tz::Europe__Amsterdam).into_string();
        assert!(text.contains(">2026-06-02 00:30<"), "{text}");
        assert!(text.contains("title=\"2026-06-01 22:30:00 UTC\""), "{text}");
    }

    #[test]
    fn times_within_a_sentence_are_shown_in_the_zone_too() {
        let text = told(
            "no complete snapshot since 2026-11-21T02:15:00Z; <b> is 36h",
            Tz::Europe__Amsterdam,
        );
        let text = text.into_string();
        assert!(
            text.contains(">2026-11-21 03:15</time>; &lt;b&gt; is 36h"),
            "{text}"
        );
        assert!(text.contains("title=\"2026-11-21 02:15:00 UTC\""), "{text}");
    }
}
