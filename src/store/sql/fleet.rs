//! The fleet as lists and sums, by the rows that [`host_status`] keeps.

use crate::core::health::Standing;
use crate::core::model::{HostId, ManagedBy, RootId, SqlHost, SqlState, Timestamp};
use crate::store::session::{Database, Session, Val, all, args, first};
use crate::store::{
    ConfigurationTotals, Fleet, FleetTotals, HostOrder, HostReading, HostSearch, Listed, StoreError,
};

use super::reader::Reader;
use super::{host_status, state};

/// The state at a time, which is the one value it takes.
const PLACE: &str = "CASE WHEN stale_at < ? THEN late_place ELSE place END";

impl<D: Database> Fleet for D {
    fn readings(&self) -> Result<Vec<HostReading>, StoreError> {
        host_status::settle(self)?;
        self.read(|session| {
            all(
                session,
                &format!(
                    "SELECT {} FROM host_status s ORDER BY s.name, s.host_id",
                    host_status::COLUMNS
                ),
                args![],
                host_status::read,
            )
        })
    }

    fn reading_page(
        &self,
        search: &HostSearch,
        order: HostOrder,
        at: Timestamp,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<HostReading>, usize), StoreError> {
        host_status::settle(self)?;
        let text = search.text.to_lowercase();
        self.read(|session| {
            let wanted = Wanted::new(search, &text, at);
            let count = count(session, &wanted.counted(), &wanted.args)?;
            Ok((page(session, &wanted, order, skip, limit)?, count))
        })
    }

    fn reading(&self, host: HostId) -> Result<Option<HostReading>, StoreError> {
        host_status::settle(self)?;
        self.read(|session| host_status::get(session, host))
    }

    fn totals(&self, at: Timestamp) -> Result<FleetTotals, StoreError> {
        host_status::settle(self)?;
        self.read(|session| totals(session, at))
    }

    fn starting(&self, ahead: Timestamp, limit: u32) -> Result<Vec<HostId>, StoreError> {
        host_status::settle(self)?;
        self.read(|session| {
            let ids = |session: &mut dyn Session, sql: &str, args: &[Val<'_>]| {
                all(session, sql, args, |row| {
                    Reader::new(row, "host_status").int("host_id").map(HostId)
                })
            };
            let mut found = ids(
                session,
                "SELECT host_id FROM host_status WHERE next_start IS NOT NULL \
                 AND settled_until > ? ORDER BY settled_until LIMIT ?",
                args![ahead, limit],
            )?;
            let next = ids(
                session,
                "SELECT host_id FROM host_status WHERE next_start IS NOT NULL \
                 ORDER BY next_start, host_id LIMIT ?",
                args![limit],
            )?;
            found.extend(next);
            Ok(found)
        })
    }

    fn missing(&self, root: Option<&RootId>) -> Result<usize, StoreError> {
        self.read(|session| {
            let sql = "SELECT COUNT(*) FROM snapshots WHERE root_id = ? AND status = 'missing'";
            count(session, sql, args![root.map_or("", RootId::as_str)])
        })
    }

    fn without_hosts(&self) -> Result<SqlState, StoreError> {
        self.read(|session| state::load_none(session))
    }

    fn configuration_totals(&self) -> Result<ConfigurationTotals, StoreError> {
        host_status::settle(self)?;
        self.read(|session| {
            let retired = host_status::place(Standing::Retired);
            let mut managed = Vec::new();
            for by in ManagedBy::ALL {
                let sql = "SELECT COUNT(*) FROM host_status WHERE managed_by = ? AND place <> ?";
                let n = count(session, sql, args![by.as_str(), retired])?;
                managed.push((*by, n));
            }
            Ok(ConfigurationTotals {
                managed,
                drifted: count(session, &listed_sql("COUNT(*)", Listed::Drifted), args![])?,
                unapproved: count(
                    session,
                    &listed_sql("COUNT(*)", Listed::Unapproved),
                    args![],
                )?,
            })
        })
    }

    fn listed(&self, listed: Listed, limit: u32) -> Result<Vec<SqlHost>, StoreError> {
        host_status::settle(self)?;
        self.read(|session| {
            let sql = listed_sql("host_id", listed) + " ORDER BY name_key, host_id LIMIT ?";
            let ids = all(session, &sql, args![limit], |row| {
                Reader::new(row, "host_status").int("host_id").map(HostId)
            })?;
            ids.into_iter().map(|id| state::host(session, id)).collect()
        })
    }

    fn hosts_after(&self, after: Option<HostId>, limit: u32) -> Result<Vec<SqlHost>, StoreError> {
        self.read(|session| state::after(session, after, limit))
    }
}

fn listed_sql(what: &str, listed: Listed) -> String {
    let column = match listed {
        Listed::Drifted => "is_drifted",
        Listed::Unapproved => "is_unapproved",
    };
    format!("SELECT {what} FROM host_status WHERE {column} = 1")
}

fn count(session: &mut dyn Session, sql: &str, args: &[Val<'_>]) -> Result<usize, StoreError> {
    let counted = first(session, sql, args, |row| {
        Reader::new(row, "host_status").opt_size("count")
    })?;
    Ok(counted
        .flatten()
        .map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)))
}

/// A search as conditions with their values.
struct Wanted<'a> {
    conditions: String,
    args: Vec<Val<'a>>,
    at: Timestamp,
}

impl<'a> Wanted<'a> {
    fn new(search: &HostSearch, text: &'a str, at: Timestamp) -> Self {
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut args = Vec::new();
        if !text.is_empty() {
            let like = Standing::all().filter(|standing| standing.as_str().contains(text));
            let mut condition = "INSTR(name_key, ?) > 0".to_owned();
            args.push(Val::from(text));
            for standing in like {
                condition.push_str(&format!(" OR {PLACE} = ?"));
                args.extend([Val::from(at), Val::from(host_status::place(standing))]);
            }
            conditions.push(format!("({condition})"));
        }
        if search.troubled {
            conditions.push(format!("(place < ? OR stale_at < ?) AND {PLACE} < ?"));
            let well = Val::from(host_status::place(Standing::Well));
            args.extend([well, Val::from(at), Val::from(at), well]);
        }
        Self {
            conditions: conditions.join(" AND "),
            args,
            at,
        }
    }

    fn counted(&self) -> String {
        format!("SELECT COUNT(*) FROM host_status WHERE {}", self.conditions)
    }
}

/// The rows of a page are chosen by an index that holds all it takes, and only then read.
fn page(
    session: &mut dyn Session,
    wanted: &Wanted<'_>,
    order: HostOrder,
    skip: u32,
    limit: u32,
) -> Result<Vec<HostReading>, StoreError> {
    let mut args = wanted.args.clone();
    let order = match order {
        HostOrder::Name => "name_key, host_id".to_owned(),
        HostOrder::Standing => {
            args.push(Val::from(wanted.at));
            format!("{PLACE}, name_key, host_id")
        }
        HostOrder::Newest => "newest, name_key, host_id".to_owned(),
        HostOrder::Snapshots => "snapshots DESC, name_key, host_id".to_owned(),
    };
    args.extend([Val::from(limit), Val::from(skip)]);
    let ids = all(
        session,
        &format!(
            "SELECT host_id FROM host_status WHERE {} ORDER BY {order} LIMIT ? OFFSET ?",
            wanted.conditions
        ),
        &args,
        |row| Reader::new(row, "host_status").int("host_id").map(HostId),
    )?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(host_status::get(session, id)?);
    }
    Ok(found)
}

/// Counts hosts by the state they are in before they are stale, and then moves those that are.
fn totals(session: &mut dyn Session, at: Timestamp) -> Result<FleetTotals, StoreError> {
    let mut totals = FleetTotals::default();
    // A sum is a decimal to MariaDB; SQLite takes the cast for one to a number.
    session.query(
        "SELECT place, COUNT(*), CAST(SUM(snapshots) AS SIGNED) FROM host_status GROUP BY place",
        args![],
        &mut |row| {
            let mut row = Reader::new(row, "host_status");
            let place = row.int("place")?;
            let hosts = size(&mut row, "hosts")?;
            totals.snapshots += size(&mut row, "snapshots")?;
            if let Some(standing) = host_status::standing(place) {
                totals.standings.insert(standing, hosts);
            }
            Ok(())
        },
    )?;
    session.query(
        "SELECT place, late_place, COUNT(*) FROM host_status WHERE stale_at < ? \
         GROUP BY place, late_place",
        args![at],
        &mut |row| {
            let mut row = Reader::new(row, "host_status");
            let (from, to) = (row.int("place")?, row.int("late_place")?);
            let hosts = size(&mut row, "hosts")?;
            if let (Some(from), Some(to)) = (host_status::standing(from), host_status::standing(to))
            {
                let was = totals.count(from);
                totals.standings.insert(from, was.saturating_sub(hosts));
                *totals.standings.entry(to).or_default() += hosts;
            }
            Ok(())
        },
    )?;
    Ok(totals)
}

fn size(row: &mut Reader<'_>, column: &'static str) -> Result<usize, StoreError> {
    let size = row.opt_size(column)?.unwrap_or_default();
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}
