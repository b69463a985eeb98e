//! `notify`: try, look at, and send what people are to be told.

use std::time::Duration;

use serde::Serialize;

use super::args::{NotifyArgs, NotifyCommand};
use super::output::Output;
use crate::core::model::{EventKind, Label, Timestamp, counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error, Heard};
use crate::render::{Column, table};
use crate::store::{DeliveryFilter, DeliveryRecord, DeliveryStatus};

/// A person waits, and every target that answers has its turn within this.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run(context: &Context, args: &NotifyArgs, output: &Output) -> Result<Outcome, Error> {
    match &args.command {
        NotifyCommand::Test { receiver } => test(context, receiver.as_ref(), output),
        NotifyCommand::List {
            receiver,
            all,
            limit,
        } => list(context, receiver.clone(), *all, limit.limit, output),
        NotifyCommand::Send => send(context, output),
        NotifyCommand::Retry { receiver } => {
            let now = ops::now();
            let asked = context.store.retry_deliveries(receiver.as_ref(), now)?;
            output.say(&format!("{} due again", counted(asked, "notification")));
            send(context, output)
        }
        NotifyCommand::Forget { receiver } => {
            let gone = context.store.forget_deliveries(receiver.as_ref())?;
            output.data(&serde_json::json!({ "forgotten": gone }), |_| {
                format!("{} forgotten.\n", counted(gone, "notification"))
            });
            Ok(Outcome::Done)
        }
    }
}

fn test(context: &Context, receiver: Option<&Label>, output: &Output) -> Result<Outcome, Error> {
    let heard = ops::tell_test(context, receiver)?;
    output.data(&heard, |_| {
        let line = |h: &Heard| match &h.error {
            None => format!("ok      {} {}\n", h.receiver, h.target),
            Some(error) => format!("FAILED  {} {}: {}\n", h.receiver, h.target, visible(error)),
        };
        heard.iter().map(line).collect()
    });
    let failed = heard.iter().filter(|h| !h.heard).count();
    Ok(match failed {
        0 => Outcome::Done,
        n if n == heard.len() => Outcome::Failed,
        _ => Outcome::PartlyDone,
    })
}

fn send(context: &Context, output: &Output) -> Result<Outcome, Error> {
    let told = ops::tell(context, PATIENCE)?;
    output.data(&told, |_| {
        format!(
            "{} raised; {} delivered, {} waiting, {} given up.\n",
            counted(told.raised, "event"),
            told.delivered,
            told.waiting,
            told.given_up
        )
    });
    Ok(match (told.delivered, told.waiting + told.given_up) {
        (_, 0) => Outcome::Done,
        (0, _) => Outcome::Failed,
        _ => Outcome::PartlyDone,
    })
}

#[derive(Serialize)]
struct Row {
    event: EventKind,
    summary: String,
    receiver: Label,
    target: String,
    status: DeliveryStatus,
    attempts: u32,
    raised_at: Timestamp,
    next_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    error: String,
}

fn list(
    context: &Context,
    receiver: Option<Label>,
    all: bool,
    limit: usize,
    output: &Output,
) -> Result<Outcome, Error> {
    let filter = DeliveryFilter {
        receiver,
        undelivered: !all,
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let row = |d: DeliveryRecord| Row {
        event: d.kind,
        summary: visible(&d.summary),
        receiver: d.receiver,
        target: d.target,
        status: d.status,
        attempts: d.attempts,
        raised_at: d.raised_at,
        next_at: (d.status == DeliveryStatus::Waiting).then_some(d.next_at),
        settled_at: d.settled_at,
        error: visible(&d.last_error),
    };
    let found = context.store.deliveries(&filter, limit)?;
    let rows: Vec<Row> = found.into_iter().map(row).collect();
    output.data(&rows, |style| {
        if rows.is_empty() {
            let what = if all {
                "Nothing was to be told.\n"
            } else {
                "Everything is delivered.\n"
            };
            return what.to_owned();
        }
        let moment = |time: Timestamp| time.utc().format("%Y-%m-%d %H:%M:%SZ").to_string();
        let cells = |r: &Row| {
            vec![
                moment(r.raised_at),
                r.event.to_string(),
                format!("{} {}", r.receiver, r.target),
                r.status.as_str().to_owned(),
                r.attempts.to_string(),
                r.next_at.map_or("-".to_owned(), moment),
                if r.error.is_empty() {
                    r.summary.clone()
                } else {
                    format!("{} ({})", r.summary, r.error)
                },
            ]
        };
        let columns = [
            Column("RAISED", false),
            Column("EVENT", false),
            Column("TO", false),
            Column("STATUS", false),
            Column("TRIED", true),
            Column("NEXT", false),
            Column("WHAT", false),
        ];
        table(&columns, &rows.iter().map(cells).collect::<Vec<_>>(), style)
    });
    Ok(Outcome::Done)
}
