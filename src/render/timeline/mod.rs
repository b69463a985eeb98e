//! A host's snapshots over time, as a picture that needs no script: what stays, what goes, and which rule holds what.
//!
//! A part of the HTML plan and of every page that shows retention. Places are percentages, so that the picture is as
//! wide as its page and its letters stay as large as the page's. Shapes differ, not only colours. Pictures show nothing
//! that the tables beside them do not say.

mod lanes;
mod scale;

use std::collections::BTreeMap;

use maud::{Markup, html};

use self::lanes::{Lane, Mark, Point, lanes};
use self::scale::Scale;
use crate::core::model::Timestamp;
use crate::core::plan::RetentionPlan;
use crate::render::text::{wall_clock, zone_of};

/// The style of the pictures and the colours they share with their page, for light and dark.
pub const TIMELINE_STYLE: &str = concat!(
    include_str!("palette.css"),
    "\n",
    include_str!("timeline.css")
);

/// The ruler's height, in pixels.
const RULER: usize = 22;
/// A lane's height, in pixels: its label, and its marks below.
const LANE: usize = 34;

/// The picture of one host; nothing for a host without snapshots.
///
/// The page holds [`timeline_marks`] once, whatever the number of pictures.
#[must_use]
pub fn timeline(plan: &RetentionPlan, as_of: Timestamp) -> Markup {
    let lanes = lanes(plan);
    let times = || {
        let kept = plan.keep.iter().map(|e| e.started_at);
        kept.chain(plan.delete.iter().map(|e| e.started_at))
    };
    let (Some(oldest), Some(newest)) = (times().min(), times().max()) else {
        return html! {};
    };
    let scale = Scale::of(times(), as_of);
    let height = RULER + lanes.len() * LANE + 6;
    let zone = zone_of(plan);
    let totals = &plan.totals;
    html! {
        figure class="timeline" {
            svg width="100%" height=(height) role="img" aria-label={
                "The " (totals.keep + totals.delete) " snapshots of " (plan.host) " over time: "
                (totals.keep) " stay, " (totals.delete) " go, " (totals.rescued) " rescued. The tables below say the same."
            } {
                (ruler(&scale, height))
                @for (i, lane) in lanes.iter().enumerate() {
                    (drawn(lane, &scale, RULER + i * LANE))
                }
            }
            figcaption {
                "From " (wall_clock(oldest, zone)) " to " (wall_clock(newest, zone)) ", " (zone.name()) "."
                @if scale.is_bent() { " Newer days are drawn wider than older ones." }
            }
        }
    }
}

fn ruler(scale: &Scale, height: usize) -> Markup {
    let ticks = scale.ticks();
    html! {
        text class="tick" x="100%" y="11" text-anchor="end" { "as of" }
        @for (place, name) in ticks {
            line class="rule" x1=(percent(place)) x2=(percent(place)) y1="16" y2=(height) {}
            text class="tick" x=(percent(place)) y="11" text-anchor="middle" { (name) }
        }
    }
}

fn drawn(lane: &Lane, scale: &Scale, top: usize) -> Markup {
    let y = top + LANE - 9;
    html! {
        text class="label" x="0" y=(top + 13) { (lane.label) }
        text class="note" x="100%" y=(top + 13) text-anchor="end" { (lane.note()) }
        line class="lane" x1="0" x2="100%" y1=(y) y2=(y) {}
        @for mark in merged(lane, scale) {
            use href={ "#" (mark.shape.id()) } x=(percent(mark.place)) y=(y) {
                @if let Some(title) = &mark.title { title { (title) } }
            }
        }
    }
}

/// Marks that stand on each other and say the same are drawn once: a picture stays small whatever the number of
/// snapshots.
struct Drawn {
    shape: Mark,
    place: f64,
    title: Option<String>,
}

fn merged(lane: &Lane, scale: &Scale) -> Vec<Drawn> {
    // By shape first, so that what goes is drawn over what stays and never hidden by it.
    let mut places: BTreeMap<(Mark, u64), Vec<&Point>> = BTreeMap::new();
    for point in &lane.points {
        let tenths = (scale.place(point.at) * 10.0).round() as u64;
        places.entry((point.mark, tenths)).or_default().push(point);
    }
    let draw = |((shape, tenths), points): ((Mark, u64), Vec<&Point>)| {
        let title = points.first().and_then(|point| point.title.clone());
        let more = points.len() - 1;
        Drawn {
            shape,
            place: tenths as f64 / 10.0,
            title: match more {
                0 => title,
                _ => title.map(|first| format!("{first}; and {more} more here")),
            },
        }
    };
    places.into_iter().map(draw).collect()
}

fn percent(place: f64) -> String {
    let text = format!("{place:.1}");
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// The shapes that the pictures of a page point at. Once a page.
#[must_use]
pub fn timeline_marks() -> Markup {
    html! {
        svg class="marks" width="0" height="0" aria-hidden="true" {
            defs {
                g id=(Mark::Kept.id()) { circle class="m-stay" r="4" {} }
                g id=(Mark::Unfinished.id()) { circle class="m-open" r="3.5" {} }
                g id=(Mark::Rescued.id()) { path class="m-rescue" d="M0-6 6 0 0 6-6 0Z" {} }
                g id=(Mark::Expired.id()) { path class="m-expired" d="M-3.5-3.5 3.5 3.5M3.5-3.5-3.5 3.5" {} }
                g id=(Mark::IncompleteGoes.id()) {
                    rect class="m-box" x="-5" y="-5" width="10" height="10" {}
                    path class="m-expired" d="M-2.5-2.5 2.5 2.5M2.5-2.5-2.5 2.5" {}
                }
                g id=(Mark::GoesByChange.id()) {
                    circle class="m-go" r="6" {}
                    path class="m-cross" d="M-2.5-2.5 2.5 2.5M2.5-2.5-2.5 2.5" {}
                }
            }
        }
    }
}

/// What each shape says. Once a page is enough.
#[must_use]
pub fn timeline_legend() -> Markup {
    html! {
        ul class="legend" {
            @for mark in Mark::ALL {
                li {
                    svg width="16" height="16" aria-hidden="true" { use href={ "#" (mark.id()) } x="8" y="8" {} }
                    " " (mark.words())
                }
            }
        }
    }
}
