//! A plan as one page that stands by itself: no script, no font, nothing fetched; light and dark, for a screen, a
//! telephone and paper.
//!
//! Everything that comes from outside passes `visible` and is escaped by the templates; a content security policy in the
//! page allows its one style sheet and nothing else, so that a page which were to hold more would not do more.

mod budget;
mod changes;
mod retention;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::budget::Budget;
use super::timeline::{TIMELINE_STYLE, timeline_marks};
use super::words::{capitalised, damage_lines, frees, verdict};
use crate::core::model::{counted, visible};
use crate::core::plan::{Plan, RetentionPlan};

const STYLE: &str = include_str!("page.css");

/// What the first bytes of every page are, by which a page of ours is told from another file.
pub const HTML_START: &str = "<!DOCTYPE html><!-- pobsync:plan ";

/// Hosts with damaged snapshots.
fn damage(plan: &Plan) -> Option<Section> {
    let lines = damage_lines(plan);
    if lines.is_empty() {
        return None;
    }
    Some(Section {
        short: format!("{} damaged", counted(lines.len(), "host")),
        title: "Damaged snapshots".to_owned(),
        body: html! { ul { @for line in &lines { li { (line) } } } },
    })
}

/// The whole plan as a page. Counts are never cut; of rows and pictures there are as many as a browser opens at once,
/// and what is cut is counted.
#[must_use]
pub fn plan_html(plan: &Plan) -> String {
    let mut budget = Budget::default();
    let (touched, quiet): (Vec<&RetentionPlan>, Vec<&RetentionPlan>) = plan
        .retention
        .iter()
        .partition(|r| !r.delete.is_empty() || r.totals.rescued > 0);
    let sections = [
        ("refusals", changes::refusals(plan, &mut budget)),
        ("damage", damage(plan)),
        (
            "snapshots",
            retention::hosts(&touched, plan.as_of, &mut budget),
        ),
        ("drift", changes::drift(plan, &mut budget)),
        ("changes", changes::changed(plan, &mut budget)),
        ("new", changes::created(plan, &mut budget)),
        ("unchanged", retention::quiet(plan, &quiet, &mut budget)),
    ];
    let cut = budget.cut();
    let marker = format!(
        "<!-- pobsync:plan v=1 fingerprint={} truncated={} -->",
        plan.fingerprint,
        u8::from(!cut.is_empty())
    );
    let style = format!("{TIMELINE_STYLE}\n{STYLE}");
    let page = html! {
        (DOCTYPE) (PreEscaped(marker))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "pobsync " (visible(&plan.pobsync_version)) };
                title { "pobsync plan: " (verdict(plan)) }
                style { (PreEscaped(&style)) }
            }
            body {
                (timeline_marks())
                (head(plan, &sections))
                main {
                    (counts(plan))
                    @if !cut.is_empty() {
                        p class="cut" { strong { "Cut to fit: " } (cut.join(", ")) " are not shown here; the JSON plan has all of them." }
                    }
                    @for (id, section) in &sections {
                        @if let Some(section) = section {
                            section id=(id) aria-labelledby={ (id) "-title" } {
                                h2 id={ (id) "-title" } { (section.title) }
                                (section.body)
                            }
                        }
                    }
                }
                (foot(plan))
            }
        }
    };
    page.into_string() + "\n"
}

/// One part of the page; nothing where the plan has nothing of it.
struct Section {
    /// What the way to it is called.
    short: String,
    title: String,
    body: Markup,
}

/// Allows the style sheet by its digest, and nothing else.
fn policy(style: &str) -> String {
    let digest = base64(&Sha256::digest(style.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |i: usize| three.get(i).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

fn head(plan: &Plan, sections: &[(&str, Option<Section>)]) -> Markup {
    html! {
        header {
            p class="kicker" { "pobsync plan" }
            h1 { (sentence(&verdict(plan))) }
            p class="facts" {
                "As of " time datetime=(plan.as_of) { (plan.as_of.utc().format("%a %Y-%m-%d %H:%M UTC")) }
                ", serial " (plan.serial)
                ", fingerprint " code { (plan.fingerprint.short()) }
                @if let Some(revision) = &plan.source.revision {
                    ", revision " code { (visible(revision)) }
                    @if plan.source.dirty { " with changes that are not committed" }
                }
            }
            @if plan.partial {
                p class="cut" {
                    strong { "Partial: " } "it speaks only of what was selected"
                    @if !plan.hosts.is_empty() {
                        " (" (plan.hosts.iter().map(|h| h.as_str()).collect::<Vec<_>>().join(", ")) ")"
                    }
                    "."
                }
            }
            @for server in &plan.leaving { p class="leaving" { (capitalised(&visible(&server.to_string()))) "." } }
            @if !plan.moves.is_empty() {
                ul class="moves" { @for host in &plan.moves { li { (host) "." } } }
            }
            nav aria-label="Parts of the plan" {
                @for (id, section) in sections {
                    @if let Some(section) = section { a href={ "#" (id) } { (section.short) } " " }
                }
            }
        }
    }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn counts(plan: &Plan) -> Markup {
    let s = &plan.summary;
    let anyway = s.deletions().saturating_sub(s.delete_by_change);
    let tile = |class: &str, n: usize, words: &str| {
        html! {
            div class={ "tile " (if n == 0 { "none" } else { class }) } { dt { (words) } dd { (n) } }
        }
    };
    html! {
        section aria-label="Counts" {
            dl class="tiles" {
                (tile("go", s.delete_by_change, "go by this change"))
                (tile("expired", anyway, "expired anyway"))
                (tile("rescue", s.rescued, "rescued"))
                (tile("stay", s.snapshots.saturating_sub(s.deletions()), "stay"))
                (tile("go", plan.refusals.len(), "refusals"))
                (tile("change", s.update + s.rename + s.retire, "changes"))
                (tile("stay", s.create, "new"))
                (tile("change", s.drift, "drifted"))
            }
            p class="facts" {
                "Delete " (s.deletions()) " of " (counted(s.snapshots, "snapshot"))
                @if s.deletions() > 0 {
                    " on " (counted(s.hosts_with_deletions, "host"))
                    ": " (s.delete_by_kind.scheduled) " scheduled, " (s.delete_by_kind.manual) " manual, "
                    (s.delete_by_kind.incomplete) " incomplete. Frees " (frees(s.frees, s.delete_bytes))
                }
                ". " (s.create) " to create, " (s.update) " to change, " (s.retire) " to retire, " (s.rename) " to rename."
            }
        }
    }
}

fn foot(plan: &Plan) -> Markup {
    html! {
        footer {
            dl class="provenance" {
                dt { "Fingerprint" } dd { code { (plan.fingerprint) } }
                dt { "Deletions" } dd { code { (plan.deletions_fingerprint) } }
                dt { "Database" } dd { code { (plan.lineage) } ", serial " (plan.serial) }
                @if !plan.allow.is_empty() {
                    dt { "Lifted limits" }
                    dd { @for allow in &plan.allow { code { (visible(&allow.to_string())) } " " } }
                }
                dt { "Made" } dd { (plan.created_at) " by pobsync " (visible(&plan.pobsync_version)) }
                @for file in &plan.source.files {
                    dt { (visible(&file.path)) } dd { code { "sha256:" (visible(&file.sha256)) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HTML_START, base64, policy};

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_policy_allows_one_style_and_nothing_else() {
        let policy = policy("p { color: red }");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!policy.contains("unsafe"));
        assert!(HTML_START.starts_with("<!DOCTYPE html>"));
    }
}
