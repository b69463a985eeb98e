//! Sending what is due: claimed, sent, recorded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::send::send;
use crate::core::model::{Event, GlobalSettings, Label, Span};
use crate::core::notify::{LONGEST_PAUSE, Next, after_failed_attempt, find};
use crate::courier::Undelivered;
use crate::ops::{Context, Error, process_name};
use crate::store::{DeliveryClaim, DeliveryRecord, Settlement};

/// A claim ends by itself after this: well beyond the longest that one attempt takes, so that no other process sends what
/// this one is still sending.
const LEASE: Span = Span::from_seconds(10 * 60);
/// Deliveries that are read at once.
const BATCH: u32 = 500;
/// Targets that are worked on at once.
const AT_ONCE: usize = 8;

/// What came of telling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// Events that are new.
    pub raised: usize,
    /// Deliveries that have arrived.
    pub delivered: usize,
    /// Deliveries that will be tried again.
    pub waiting: usize,
    /// Deliveries that were given up.
    pub given_up: usize,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.raised += other.raised;
        self.delivered += other.delivered;
        self.waiting += other.waiting;
        self.given_up += other.given_up;
    }
}

/// Sends what is due for about as long as `budget`: no attempt begins after it, and the last one may take half a minute more.
///
/// Each target has a thread of its own, so that one that hangs holds up no other; and a target that fails once is left
/// alone until the next call.
///
/// # Errors
/// When the database cannot be worked with.
pub fn deliver_due(context: &Context, budget: Duration) -> Result<Told, Error> {
    #[allow(
        clippy::disallowed_methods,
        reason = "a budget is a length of time, not a time"
    )]
    let begun = Instant::now();
    let settings = super::settings(context)?;
    let mut told = Told::default();
    let mut failing: Vec<(Label, String)> = Vec::new();
    while begun.elapsed() < budget {
        let now = crate::ops::clock::now();
        let due = context.store.due_deliveries(now, LONGEST_PAUSE, BATCH)?;
        let mut targets: BTreeMap<(Label, String), Vec<DeliveryRecord>> = BTreeMap::new();
        for delivery in due {
            let target = (delivery.receiver.clone(), delivery.target.clone());
            if !failing.contains(&target) {
                targets.entry(target).or_default().push(delivery);
            }
        }
        if targets.is_empty() {
            break;
        }
        let is_over = || begun.elapsed() >= budget;
        let targets: Vec<_> = targets.into_iter().collect();
        for some in targets.chunks(AT_ONCE) {
            for (target, done) in work_on(context, &settings, some, &is_over) {
                let (sum, is_well) = done?;
                told.add(sum);
                if !is_well {
                    failing.push(target.clone());
                }
            }
        }
    }
    Ok(told)
}

type Target = ((Label, String), Vec<DeliveryRecord>);
type Done = Result<(Told, bool), Error>;

fn work_on<'t>(
    context: &Context,
    settings: &GlobalSettings,
    targets: &'t [Target],
    is_over: &(impl Fn() -> bool + Sync),
) -> Vec<(&'t (Label, String), Done)> {
    std::thread::scope(|scope| {
        let working: Vec<_> = targets
            .iter()
            .map(|(target, due)| {
                let work = move || one_target(context, settings, due, is_over);
                (target, scope.spawn(work))
            })
            .collect();
        working
            .into_iter()
            .map(|(target, thread)| {
                let done = thread.join().unwrap_or_else(|_| {
                    Err(Error::Program {
                        message: "a thread that tells receivers has panicked".to_owned(),
                        help: String::new(),
                    })
                });
                (target, done)
            })
            .collect()
    })
}

/// Sends to one target until something fails; says whether nothing did.
fn one_target(
    context: &Context,
    settings: &GlobalSettings,
    due: &[DeliveryRecord],
    is_over: &impl Fn() -> bool,
) -> Done {
    let mut told = Told::default();
    for delivery in due {
        if is_over() {
            return Ok((told, true));
        }
        match attempt(context, settings, delivery)? {
            None => {}
            Some(Settlement::Delivered) => told.delivered += 1,
            Some(Settlement::Again { .. }) => {
                told.waiting += 1;
                return Ok((told, false));
            }
            Some(Settlement::GivenUp { .. }) => {
                told.given_up += 1;
                return Ok((told, false));
            }
        }
    }
    Ok((told, true))
}

/// One attempt, if no other process has it: counted before the first byte leaves, settled after.
///
/// # Errors
/// When the database cannot be worked with.
pub(super) fn attempt(
    context: &Context,
    settings: &GlobalSettings,
    delivery: &DeliveryRecord,
) -> Result<Option<Settlement>, Error> {
    let now = crate::ops::clock::now();
    let process = process_name();
    let Some(claim) = context
        .store
        .claim_delivery(delivery.id, &process, now, LEASE)?
    else {
        return Ok(None);
    };
    let sent = sent(settings, delivery);
    let settlement = settlement(&claim, delivery, sent);
    let now = crate::ops::clock::now();
    if !context.store.settle_delivery(&claim, &settlement, now)? {
        tracing::warn!(
            "{} {}: another process took it over meanwhile, and may have told it again",
            delivery.receiver,
            delivery.target
        );
    }
    Ok(Some(settlement))
}

fn sent(settings: &GlobalSettings, delivery: &DeliveryRecord) -> Result<(), Undelivered> {
    let target = find(
        &settings.notify,
        delivery.receiver.as_str(),
        &delivery.target,
    )
    .ok_or_else(|| Undelivered::no("the configuration has it no more"))?;
    let event: Event = serde_json::from_str(&delivery.body)
        .map_err(|_| Undelivered::no("the event was recorded by another version"))?;
    send(settings, target, &event, &delivery.body)
}

fn settlement(
    claim: &DeliveryClaim,
    delivery: &DeliveryRecord,
    sent: Result<(), Undelivered>,
) -> Settlement {
    let Err(undelivered) = sent else {
        return Settlement::Delivered;
    };
    let error = undelivered.message;
    tracing::warn!("{} {}: {error}", delivery.receiver, delivery.target);
    let now = crate::ops::clock::now();
    match after_failed_attempt(claim.attempt, delivery.raised_at, now, undelivered.refusal) {
        Next::Again(at) => Settlement::Again { at, error },
        Next::GiveUp => Settlement::GivenUp { error },
    }
}
