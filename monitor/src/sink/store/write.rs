//! Writes sightings into a store, and takes out what is too old or too much. One transaction each: all of it or nothing.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{StoreError, file, file::Found, is_damage, schema};
use crate::model::incident::{Kept, Session, Sighting, join};

/// Readers of the same file hold a writer up for moments only.
const BUSY: Duration = Duration::from_secs(5);
/// Bytes of the log that are kept after it was taken over into the database.
const LOG_BYTES: i64 = 4 << 20;
/// Pieces of evidence of one incident: of more, the beginning and the end stay.
const TIMELINE: i64 = 200;
const TIMELINE_START: i64 = 20;
/// Incidents that go at once when there is too much.
const CHUNK: i64 = 64;
/// After pruning for size so many hundredths of the limit are used.
const ROOM: u64 = 90;

/// A store that this process writes. Closing it leaves a database without a log.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    session: Session,
    /// Where a damaged predecessor was moved.
    pub moved_aside: Option<PathBuf>,
    _lock: File,
}

impl Store {
    /// Opens the store at `path`, or begins one. A damaged one is moved aside; what is not gomon's is left alone.
    pub fn open(path: &Path, session: &Session) -> Result<Self, StoreError> {
        let lost = |source| StoreError::File { path: path.to_owned(), what: "open", source };
        // Before anything is made beside a file that is somebody else's.
        if file::look(path).map_err(lost)? == Found::Foreign {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        file::prepare(path)?;
        let lock = file::lock(path)?;
        let mut moved_aside = None;
        if file::look(path).map_err(lost)? == Found::Zeros {
            moved_aside = Some(file::move_aside(path)?);
            file::prepare(path)?;
        }
        let connection = match connect(path) {
            Err(error) if error.is_damage() => {
                moved_aside = Some(file::move_aside(path)?);
                file::prepare(path)?;
                connect(path)?
            }
            other => other?,
        };
        Ok(Self { connection, path: path.to_owned(), session: session.clone(), moved_aside, _lock: lock })
    }

    /// Writes them. When it returns they survive the end of the process and of the machine.
    pub fn write<'a>(&mut self, sightings: impl Iterator<Item = &'a Sighting>) -> Result<(), StoreError> {
        let Self { connection, path, session, .. } = self;
        let failed = |source| sql(path, "write to", source);
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate).map_err(failed)?;
        for seen in sightings {
            let seq = enter(&transaction, seen, session).map_err(|error| error.of(path))?;
            extend(&transaction, seq, seen).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Takes out incidents that were last seen before `oldest` (nanoseconds since 1970); how many.
    pub fn prune_older(&mut self, oldest: i64) -> Result<u64, StoreError> {
        let gone = self.connection.execute("DELETE FROM incident WHERE last_seen < ?1", [oldest]);
        let gone = gone.map_err(|source| sql(&self.path, "prune", source))?;
        Ok(u64::try_from(gone).unwrap_or(0))
    }

    /// Takes out the incidents that were last seen the longest ago until the rest fits into `most` bytes; how many.
    pub fn prune_larger(&mut self, most: u64) -> Result<u64, StoreError> {
        let failed = |source| sql(&self.path, "prune", source);
        if self.used().map_err(failed)? <= most {
            return Ok(0);
        }
        let mut pruned = 0;
        while self.used().map_err(failed)? > most / 100 * ROOM {
            let gone = self.connection.execute(
                "DELETE FROM incident WHERE seq IN (SELECT seq FROM incident ORDER BY last_seen LIMIT ?1)",
                [CHUNK],
            );
            match gone.map_err(failed)? {
                0 => break,
                count => pruned += u64::try_from(count).unwrap_or(0),
            }
        }
        self.give_back().map_err(failed)?;
        Ok(pruned)
    }

    /// Free pages go back to the file system. Each step frees one.
    fn give_back(&self) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Incidents in it, and the bytes of its pages in use.
    pub fn size(&self) -> Result<(u64, u64), StoreError> {
        let failed = |source| sql(&self.path, "measure", source);
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM incident", [], |row| row.get(0))
            .map_err(failed)?;
        Ok((u64::try_from(count).unwrap_or(0), self.used().map_err(failed)?))
    }

    fn used(&self) -> rusqlite::Result<u64> {
        let of = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = of("page_count")?.saturating_sub(of("freelist_count")?);
        Ok(u64::try_from(pages.saturating_mul(of("page_size")?)).unwrap_or(0))
    }
}

/// A connection to a database of today's version.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| sql(path, "open", source);
    let was_left_open = file::is_left_open(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let found = schema::found(&connection).map_err(failed)?;
    if found > schema::version() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::version() });
    }
    if found == 0 {
        schema::claim(&connection).map_err(failed)?;
    }
    if was_left_open {
        check(&connection).map_err(failed)?;
    }
    for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("temp_store", "MEMORY")] {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(failed)?;
    schema::migrate(&mut connection).map_err(failed)?;
    Ok(connection)
}

/// After a crash every page is looked at once.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let told: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if told == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(told)))
}

pub(super) fn sql(path: &Path, what: &'static str, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    if is_damage(&source) {
        StoreError::Damaged { path, source }
    } else {
        StoreError::Sql { path, what, source }
    }
}

/// Why an incident could not be entered.
enum Refused {
    Sql(rusqlite::Error),
    Content(serde_json::Error),
}

impl Refused {
    fn of(self, path: &Path) -> StoreError {
        match self {
            Self::Sql(source) => sql(path, "write to", source),
            Self::Content(source) => StoreError::Content { path: path.to_owned(), source },
        }
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Content(error)
    }
}

/// Joins a sighting with what is known; the row that it is in.
fn enter(transaction: &Transaction<'_>, seen: &Sighting, session: &Session) -> Result<i64, Refused> {
    let sighted = &seen.told.diagnosis;
    let key = params![&*sighted.container.0, sighted.pattern, sighted.subject];
    let row: Option<(String, String)> = transaction
        .prepare("SELECT told, mark FROM incident WHERE container = ?1 AND pattern = ?2 AND subject = ?3")?
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let known = match row {
        Some((told, mark)) => {
            Some(Kept { told: serde_json::from_str(&told)?, mark: serde_json::from_str(&mark)? })
        }
        None => None,
    };
    let Kept { told, mark } = join(known, seen, session);
    let (diagnosis, identity) = (&told.diagnosis, &told.identity);
    let seq = transaction
        .prepare(
            "INSERT INTO incident
                 (container, pattern, subject, severity, namespace, pod, name, first_seen, last_seen, told, mark)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (container, pattern, subject) DO UPDATE SET
                 severity = ?4, namespace = ?5, pod = ?6, name = ?7, first_seen = ?8, last_seen = ?9, told = ?10,
                 mark = ?11
             RETURNING seq",
        )?
        .query_row(
            params![
                &*diagnosis.container.0,
                diagnosis.pattern,
                diagnosis.subject,
                diagnosis.severity as i64,
                identity.namespace,
                identity.pod,
                identity.name,
                nanos(diagnosis.first_seen.0),
                nanos(diagnosis.last_seen.0),
                serde_json::to_string(&told)?,
                serde_json::to_string(&mark)?,
            ],
            |row| row.get(0),
        )?;
    Ok(seq)
}

/// Adds to the timeline of an incident, and keeps it short.
fn extend(transaction: &Transaction<'_>, seq: i64, seen: &Sighting) -> rusqlite::Result<()> {
    let mut insert = transaction
        .prepare("INSERT OR IGNORE INTO evidence (incident, at, source, fact) VALUES (?1, ?2, ?3, ?4)")?;
    for one in &seen.timeline {
        if let Some(at) = one.at {
            insert.execute(params![seq, nanos(at.0), one.source.name(), one.fact])?;
        }
    }
    let count: i64 = transaction
        .prepare("SELECT count(*) FROM evidence WHERE incident = ?1")?
        .query_row([seq], |row| row.get(0))?;
    let surplus = (count - TIMELINE).max(0);
    if surplus > 0 {
        transaction
            .prepare(
                "DELETE FROM evidence WHERE incident = ?1 AND (at, source, fact) IN
                     (SELECT at, source, fact FROM evidence WHERE incident = ?1
                      ORDER BY at, source, fact LIMIT ?2 OFFSET ?3)",
            )?
            .execute([seq, surplus, TIMELINE_START])?;
    }
    let dropped = surplus.saturating_add(nanos(seen.timeline_dropped));
    if dropped > 0 {
        transaction
            .prepare("UPDATE incident SET timeline_dropped = timeline_dropped + ?2 WHERE seq = ?1")?
            .execute([seq, dropped])?;
    }
    Ok(())
}

/// As `SQLite` has it: signed.
fn nanos(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
