//! Times as people read them: in the zone of the site, with UTC on hover.

use chrono_tz::Tz;
use maud::{Markup, html};

use crate::core::model::Timestamp;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_the_zone_and_in_utc() {
        let at: Timestamp = "2026-06-01T22:30:00Z".parse().unwrap();
        let text = moment(at, Tz::Europe__Amsterdam).into_string();
        assert!(text.contains(">2026-06-02 00:30<"), "{text}");
        assert!(text.contains("title=\"2026-06-01 22:30:00 UTC\""), "{text}");
    }
}
