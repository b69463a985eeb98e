//! How each host is, kept beside its rows: whatever changes them says so with [`due`], whoever reads calls [`settle`].

use serde::{Deserialize, Serialize};

use crate::core::health::{HostState, Judgement, Problem, Standing, Verified, judge, overdue_at};
use crate::core::model::{GlobalSettings, HostId, RootId, RunStatus, SqlHost, Timestamp, visible};
use crate::core::schedule::start_after;
use crate::store::session::{Database, Row, Session, all, args, first};
use crate::store::{BackupFigures, HostReading, LastBackup, RootRecord, StoreError};

use super::reader::Reader;
use super::writes::to_text;
use super::{activity, roots, state};

/// Hosts judged in one transaction: others who write wait for as long.
const AT_ONCE: u32 = 200;

/// What [`read`] reads.
pub(super) const COLUMNS: &str =
    "s.host_id, s.name, s.place, s.late_place, s.stale_at, s.newest, s.snapshots, s.body";

/// What is of no use for a search.
#[derive(Serialize, Deserialize)]
struct Body {
    before: Vec<(Problem, String)>,
    /// Nothing where staleness changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Vec<(Problem, String)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_backup: Option<LastBackup>,
    bytes: Option<u64>,
    bytes_transferred: Option<u64>,
    files: Option<u64>,
    failures: u64,
    #[serde(default)]
    verified: Verified,
}

/// Says that something about a host has changed.
pub(super) fn due(session: &mut dyn Session, host: HostId) -> Result<(), StoreError> {
    session.execute(
        "UPDATE host_status SET due = 1 WHERE host_id = ?",
        args![host],
    )?;
    Ok(())
}

/// Says that something about every host has changed.
pub(super) fn all_due(session: &mut dyn Session) -> Result<(), StoreError> {
    session.execute("UPDATE host_status SET due = 1 WHERE due = 0", args![])?;
    Ok(())
}

/// Begins the row of a new host.
pub(super) fn begin(session: &mut dyn Session, host: HostId) -> Result<(), StoreError> {
    session.execute(
        "INSERT INTO host_status (host_id, due, name, name_key, managed_by, place, late_place, \
         snapshots, is_drifted, is_unapproved, body) VALUES (?, 1, '', '', 'cli', 0, 0, 0, 0, 0, '')",
        args![host],
    )?;
    Ok(())
}

/// Judges again what is due, a part at a time.
///
/// Where somebody else keeps the database from being written, hosts are shown as they were judged last: whoever looks for
/// what is stuck must not be stopped by it.
pub(super) fn settle<D: Database>(database: &D) -> Result<(), StoreError> {
    while database.read(|s| Ok(!due_hosts(s)?.is_empty()))? {
        let judged = database.write(|session| {
            let roots = Roots::read(session)?;
            for host in due_hosts(session)? {
                judge_again(session, host, &roots)?;
            }
            Ok(())
        });
        match judged {
            Err(error @ StoreError::Busy { .. }) => {
                return if database.read(every_host_was_judged)? {
                    tracing::warn!("hosts are shown as they were a while ago: {error}");
                    Ok(())
                } else {
                    Err(error)
                };
            }
            judged => judged?,
        }
    }
    Ok(())
}

fn every_host_was_judged(session: &mut dyn Session) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) AS n FROM host_status WHERE body = ''";
    let found = first(session, sql, args![], |row| {
        Reader::new(row, "host_status").int("n")
    })?;
    Ok(found == Some(0))
}

fn due_hosts(session: &mut dyn Session) -> Result<Vec<HostId>, StoreError> {
    all(
        session,
        "SELECT host_id FROM host_status WHERE due = 1 ORDER BY host_id LIMIT ?",
        args![AT_ONCE],
        |row| Reader::new(row, "host_status").int("host_id").map(HostId),
    )
}

/// On which root each host is judged: that of its server.
pub(super) struct Roots {
    global: GlobalSettings,
    seen: Vec<RootRecord>,
}

impl Roots {
    pub(super) fn read(session: &mut dyn Session) -> Result<Self, StoreError> {
        let global = state::global(session)?.map(|global| global.settings);
        Ok(Self {
            global: global.unwrap_or_default(),
            seen: roots::list(session)?,
        })
    }

    /// The root of every server that was ever seen, and that of a lone one.
    pub(super) fn in_use(&self) -> Vec<Option<RootId>> {
        let servers = RootRecord::of_servers(&self.seen, &self.global).into_iter();
        let servers = servers.map(|(_, root)| root.map(|root| root.id.clone()));
        servers.chain([self.of_lone().cloned()]).collect()
    }

    fn of_host(&self, host: &SqlHost) -> Option<&RootId> {
        let Some(home) = self.global.home(host.settings.server.as_ref()) else {
            return self.of_lone();
        };
        let mut servers = RootRecord::of_servers(&self.seen, &self.global).into_iter();
        let root = match servers.find(|(name, _)| *name == home) {
            Some((_, root)) => root,
            None => RootRecord::of_server(&self.seen, &self.global, Some(home)),
        };
        root.map(|root| &root.id)
    }

    fn of_lone(&self) -> Option<&RootId> {
        RootRecord::of_server(&self.seen, &self.global, None).map(|root| &root.id)
    }
}

fn judge_again(session: &mut dyn Session, id: HostId, roots: &Roots) -> Result<(), StoreError> {
    let host = state::host(session, id)?;
    let root = roots.of_host(&host);
    let of = Some(id);
    let activity = activity::newest(session, root, of)?.remove(&id);
    let counts = activity::counts(session, root, of)?.remove(&id);
    let figures = activity::figures(session, root, of)?.remove(&id);
    let (Some(activity), counts, figures) = (
        activity,
        counts.unwrap_or_default(),
        figures.unwrap_or_default(),
    ) else {
        return Err(StoreError::unknown_host(id));
    };
    let judgement = judge(&host, &activity, counts.suspect);
    let places = (
        place(judgement.before.standing),
        place(judgement.after.standing),
    );
    let body = Body {
        after: (judgement.after != judgement.before).then_some(judgement.after.problems),
        before: judgement.before.problems,
        last_backup: activity.backup.map(|last| LastBackup {
            text: format!(
                "{} {}: {}",
                last.run.kind,
                last.run.status,
                visible(&last.run.message)
            ),
            is_complete: last.run.status == RunStatus::Complete,
            started_at: last.run.started_at,
            finished_at: last.run.finished_at,
        }),
        bytes: figures.bytes,
        bytes_transferred: figures.bytes_transferred,
        files: figures.files,
        failures: figures.failures,
        verified: Verified {
            last: activity.verified_at,
            overdue_at: overdue_at(&host, activity.verified_at),
            damage: activity.damage,
        },
    };
    let body = to_text("host_status", "body", &body)?;
    let (next_start, settled_until) = starts(session, id)?;
    let is_active = host.retired.is_none();
    session.execute(
        "UPDATE host_status SET due = 0, name = ?, name_key = ?, managed_by = ?, place = ?, \
         late_place = ?, stale_at = ?, newest = ?, snapshots = ?, next_start = ?, \
         settled_until = ?, is_drifted = ?, is_unapproved = ?, body = ? WHERE host_id = ?",
        args![
            host.name.as_str(),
            host.name.folded().as_str(),
            host.managed_by.as_str(),
            places.0,
            places.1,
            judgement.stale_at,
            activity.newest,
            counts.complete as u64,
            next_start,
            settled_until,
            is_active && host.has_drifted(),
            is_active && !host.is_approved(),
            body.as_str(),
            id,
        ],
    )?;
    Ok(())
}

/// The first start that the lines of a host ask for, and the furthest time that one is settled to.
fn starts(
    session: &mut dyn Session,
    host: HostId,
) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
    let lines = state::schedules(session, Some(host))?;
    let starts = lines
        .iter()
        .filter_map(|line| start_after(&line.directory, &line.schedule, line.settled_until));
    let first = starts.map(|start| start.starts_at).min();
    Ok((first, lines.iter().map(|line| line.settled_until).max()))
}

/// Where a state stands in `place` and `late_place`.
pub(super) fn place(standing: Standing) -> u32 {
    let before = Standing::all().take_while(|other| *other != standing);
    u32::try_from(before.count()).unwrap_or(u32::MAX)
}

/// The state that stands in a place.
pub(super) fn standing(place: i64) -> Option<Standing> {
    Standing::all().nth(usize::try_from(place).ok()?)
}

pub(super) fn get(
    session: &mut dyn Session,
    host: HostId,
) -> Result<Option<HostReading>, StoreError> {
    first(
        session,
        &format!("SELECT {COLUMNS} FROM host_status s WHERE s.host_id = ?"),
        args![host],
        read,
    )
}

pub(super) fn read(row: &dyn Row) -> Result<HostReading, StoreError> {
    let mut row = Reader::new(row, "host_status");
    let host = HostId(row.int("host_id")?);
    let name = row.parse("name")?;
    let before = read_standing(&mut row, "place")?;
    let after = read_standing(&mut row, "late_place")?;
    let stale_at = row.opt_time("stale_at")?;
    let newest = row.opt_time("newest")?;
    let snapshots = row.opt_size("snapshots")?.unwrap_or_default();
    let body: Body = row.json("body")?;
    let before = HostState {
        standing: before,
        problems: body.before,
    };
    let after = match body.after {
        Some(problems) => HostState {
            standing: after,
            problems,
        },
        None => before.clone(),
    };
    Ok(HostReading {
        host,
        name,
        judgement: Judgement {
            before,
            stale_at,
            after,
        },
        newest,
        snapshots,
        last_backup: body.last_backup,
        figures: BackupFigures {
            bytes: body.bytes,
            bytes_transferred: body.bytes_transferred,
            files: body.files,
            failures: body.failures,
        },
        verified: body.verified,
    })
}

fn read_standing(row: &mut Reader<'_>, column: &'static str) -> Result<Standing, StoreError> {
    let place = row.int(column)?;
    standing(place).ok_or_else(|| {
        let words = "it is the place of no state".to_owned();
        row.error(column, crate::store::session::RowError(words))
    })
}
