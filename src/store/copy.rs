//! Everything in one database, moved into another: every row of every table, ids, lineage and serial included, compared
//! before it counts.
//!
//! Tables and columns come from the databases themselves, so that none is ever forgotten.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::session::{Database, Row, Session, Val, all, first};
use super::{Sqlite, StoreError};

/// These have a row in a database that was just made.
const SEEDED: [&str; 2] = ["meta", "sign_of_life"];

/// Rows a statement: a way to the server and back for each would take minutes where seconds do.
const ROWS_AT_ONCE: usize = 100;

/// A statement also ends with so many bytes of text: a server takes no packet of more than some megabytes.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// What was copied of one table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// The SHA-256 over all of them, the same in both databases.
    pub digest: String,
}

/// A table as a database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    name: String,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    is_text: bool,
    /// Its place in the primary key, from 1; 0 if it is none of it.
    key: i64,
}

/// A value on its way from one database to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
}

/// Copies everything in `from` into `to`, which must be empty, in one transaction.
///
/// # Errors
/// [`StoreError::NotEmpty`] if something stands in `to`; [`StoreError::CopyDiffers`] if what arrived is not what left, and
/// then nothing has.
pub(crate) fn copy(
    from: &impl Database,
    to: &impl Database,
) -> Result<Vec<CopiedTable>, StoreError> {
    from.read(|source| {
        // No closure can change what it was given: the source is read anew if the target asks for another try.
        let source = std::cell::RefCell::new(source);
        to.fill(|target| copy_within(&mut **source.borrow_mut(), target))
    })
}

/// Copies everything in `from` to a SQLite file, in place of an older copy.
pub(super) fn to_file(from: &impl Database, path: &Utf8Path) -> Result<(), StoreError> {
    let filling = Utf8PathBuf::from(format!("{path}.filling"));
    Sqlite::remove(&filling)?;
    let copied = Sqlite::open_or_create(&filling).and_then(|to| {
        copy(from, &to)?;
        to.copy_to(path)
    });
    let removed = Sqlite::remove(&filling);
    copied.and(removed)
}

fn copy_within(
    source: &mut dyn Session,
    target: &mut dyn Session,
) -> Result<Vec<CopiedTable>, StoreError> {
    let tables = tables(source)?;
    must_fit(&tables, &self::tables(target)?)?;
    must_be_empty(target, &tables)?;
    for table in &tables {
        target.execute(&format!("DELETE FROM {}", table.name), &[])?;
    }
    let mut copied = Vec::new();
    for table in &tables {
        let left = copy_table(source, target, table)?;
        let arrived = fingerprint(target, table)?;
        if left != arrived {
            return Err(StoreError::CopyDiffers {
                table: table.name.clone(),
            });
        }
        copied.push(left);
    }
    Ok(copied)
}

fn tables(session: &mut dyn Session) -> Result<Vec<Table>, StoreError> {
    let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    let catalog = session.catalog();
    let rows = all(session, catalog, &[], |row| {
        let text = |at| {
            let text = row.text(at).map_err(unreadable("the catalog"))?;
            Ok::<_, StoreError>(text.unwrap_or_default().to_owned())
        };
        let int = |at| row.int(at).map_err(unreadable("the catalog"));
        let column = Column {
            name: text(1)?,
            is_text: int(2)? == Some(1),
            key: int(3)?.unwrap_or_default(),
        };
        Ok((text(0)?, column))
    })?;
    for (table, column) in rows {
        found.entry(table).or_default().push(column);
    }
    let table = |(name, columns)| Table { name, columns };
    Ok(found.into_iter().map(table).collect())
}

/// Both were brought to the same version of the schema when they were opened.
fn must_fit(source: &[Table], target: &[Table]) -> Result<(), StoreError> {
    let names = |tables: &[Table]| -> BTreeMap<String, Vec<String>> {
        let columns = |table: &Table| {
            let mut names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
            names.sort();
            names
        };
        tables
            .iter()
            .map(|table| (table.name.clone(), columns(table)))
            .collect()
    };
    let (source, target) = (names(source), names(target));
    let differing = source
        .iter()
        .find(|(name, columns)| target.get(*name) != Some(columns))
        .or_else(|| target.iter().find(|(name, _)| !source.contains_key(*name)));
    match differing {
        None => Ok(()),
        Some((table, _)) => Err(StoreError::CopyDiffers {
            table: table.clone(),
        }),
    }
}

fn must_be_empty(target: &mut dyn Session, tables: &[Table]) -> Result<(), StoreError> {
    let serial = number(target, "SELECT serial FROM meta WHERE id = 1")?;
    if serial > 0 {
        return Err(StoreError::NotEmpty {
            table: "meta".to_owned(),
        });
    }
    for table in tables {
        let is_seeded = SEEDED.contains(&table.name.as_str());
        if !is_seeded && number(target, &format!("SELECT COUNT(*) FROM {}", table.name))? > 0 {
            return Err(StoreError::NotEmpty {
                table: table.name.clone(),
            });
        }
    }
    Ok(())
}

fn number(session: &mut dyn Session, sql: &str) -> Result<i64, StoreError> {
    let found = first(session, sql, &[], |row| {
        row.int(0).map_err(unreadable("the database"))
    })?;
    Ok(found.flatten().unwrap_or_default())
}

fn copy_table(
    source: &mut dyn Session,
    target: &mut dyn Session,
    table: &Table,
) -> Result<CopiedTable, StoreError> {
    let mut summing = Summing::default();
    let mut waiting: Vec<Vec<Cell>> = Vec::new();
    let mut bytes = 0;
    source.query(&table.select(), &[], &mut |row| {
        let cells = table.read(row)?;
        bytes += cells.iter().map(Cell::size).sum::<usize>();
        summing.add(&cells);
        waiting.push(cells);
        if waiting.len() == ROWS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            insert(target, table, &waiting)?;
            waiting.clear();
            bytes = 0;
        }
        Ok(())
    })?;
    insert(target, table, &waiting)?;
    Ok(summing.of(table))
}

fn insert(target: &mut dyn Session, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let values: Vec<Val<'_>> = rows.iter().flatten().map(Cell::val).collect();
    target.execute(&table.insert(rows.len()), &values)?;
    Ok(())
}

fn fingerprint(session: &mut dyn Session, table: &Table) -> Result<CopiedTable, StoreError> {
    let mut summing = Summing::default();
    session.query(&table.select(), &[], &mut |row| {
        summing.add(&table.read(row)?);
        Ok(())
    })?;
    Ok(summing.of(table))
}

impl Table {
    fn column_names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        names.join(", ")
    }

    /// In the order of the primary key, which is the same everywhere.
    fn select(&self) -> String {
        let mut key: Vec<&Column> = self.columns.iter().filter(|c| c.key > 0).collect();
        key.sort_by_key(|column| column.key);
        let key: Vec<&str> = key.iter().map(|c| c.name.as_str()).collect();
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            self.column_names(),
            self.name,
            key.join(", ")
        )
    }

    fn insert(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.name,
            self.column_names(),
            vec![row.as_str(); rows].join(", ")
        )
    }

    fn read(&self, row: &dyn Row) -> Result<Vec<Cell>, StoreError> {
        let cell = |(at, column): (usize, &Column)| {
            if column.is_text {
                let text = row.text(at).map_err(unreadable(&self.name))?;
                Ok(text.map_or(Cell::Null, |text| Cell::Text(text.to_owned())))
            } else {
                let int = row.int(at).map_err(unreadable(&self.name))?;
                Ok(int.map_or(Cell::Null, Cell::Int))
            }
        };
        self.columns.iter().enumerate().map(cell).collect()
    }
}

impl Cell {
    fn val(&self) -> Val<'_> {
        match self {
            Self::Null => Val::Null,
            Self::Int(value) => Val::Int(*value),
            Self::Text(text) => Val::Text(text),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
        }
    }
}

/// Counts rows and sums them up, each cell with its kind and length, so that no two different tables sum up alike.
#[derive(Default)]
struct Summing {
    rows: u64,
    sum: Sha256,
}

impl Summing {
    fn add(&mut self, cells: &[Cell]) {
        self.rows += 1;
        for cell in cells {
            match cell {
                Cell::Null => self.sum.update(b"n"),
                Cell::Int(value) => {
                    self.sum.update(b"i");
                    self.sum.update(value.to_be_bytes());
                }
                Cell::Text(text) => {
                    self.sum.update(b"t");
                    self.sum.update(text.len().to_be_bytes());
                    self.sum.update(text.as_bytes());
                }
            }
        }
    }

    fn of(self, table: &Table) -> CopiedTable {
        let mut digest = String::new();
        for byte in self.sum.finalize() {
            // Writing to a string does not fail.
            let _ = write!(digest, "{byte:02x}");
        }
        CopiedTable {
            name: table.name.clone(),
            rows: self.rows,
            digest,
        }
    }
}

fn unreadable(what: &str) -> impl Fn(super::session::RowError) -> StoreError {
    move |source| StoreError::Database {
        database: what.to_owned(),
        source: Box::new(source),
    }
}
