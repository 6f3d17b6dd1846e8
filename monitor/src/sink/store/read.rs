//! Reads incidents out of a store, also while an agent writes it. Never changes the file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row, ToSql, params};

use super::{
    StoreError,
    file::{APPLICATION_ID, is_left_open},
    schema,
    write::sql,
};
use crate::model::{
    diagnosis::{Evidence, Severity, Source},
    incident::{Incident, Told},
    text::inert,
    time::BootNs,
};

/// A writer holds a reader up while it repairs the file alone.
const BUSY: Duration = Duration::from_secs(2);
/// Digits of the beginning of an id that are enough to look for.
const MIN_PREFIX: usize = 4;

/// Which incidents are asked for. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub namespace: Option<String>,
    pub pod: Option<String>,
    /// A name, a pod, `NAMESPACE/POD[/NAME]`, or the beginning of a container id.
    pub container: Option<String>,
    pub pattern: Option<String>,
    pub min_severity: Option<Severity>,
    /// Last seen then or later, in nanoseconds since 1970.
    pub since: Option<i64>,
    /// First seen then or earlier.
    pub until: Option<i64>,
    /// Give out so many at most; all without it.
    pub limit: Option<u32>,
}

/// The incidents that were asked for, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many there are; more than there are here where a limit was given.
    pub total: u64,
    pub incidents: Vec<Incident>,
}

/// A store that is only read.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens a store that is there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let exists = path.try_exists();
        if !exists.map_err(|source| StoreError::File { path: path.to_owned(), what: "look for", source })? {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let path = path.to_owned();
        match Self::connect(&path, "") {
            // Of a closed store in a directory that this user cannot write: nobody changes it, so no lock is needed.
            Err(StoreError::Sql { source, .. }) if is_closed_directory(&source) => {
                if is_left_open(&path) {
                    return Err(StoreError::Unrecovered { path });
                }
                Self::connect(&path, "?immutable=1")
            }
            other => other,
        }
    }

    fn connect(path: &Path, options: &str) -> Result<Self, StoreError> {
        let failed = |source| sql(path, "read", source);
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(path, options), flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let whose: rusqlite::Result<i32> =
            connection.pragma_query_value(None, "application_id", |row| row.get(0));
        let whose = match whose {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => 0,
            other => other.map_err(failed)?,
        };
        // A file without a page is one that an agent makes just now.
        let pages: i64 = if whose == 0 {
            connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap_or(1)
        } else {
            1
        };
        if whose != APPLICATION_ID && pages > 0 {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        let found = schema::found(&connection).map_err(failed)?;
        if found > schema::version() {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::version() });
        }
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The incidents that fit, the one that was seen last first.
    pub fn list(&self, query: &Query) -> Result<Listing, StoreError> {
        // An agent that was killed in its first moment left no table.
        if self.is_empty()? {
            return Ok(Listing::default());
        }
        let (conditions, values) = conditions(query);
        let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
        let total: i64 = self
            .connection
            .query_row(&format!("SELECT count(*) FROM incident {conditions}"), values.as_slice(), |row| {
                row.get(0)
            })
            .map_err(|source| sql(&self.path, "read", source))?;
        let limit = query.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
        let order = "ORDER BY last_seen DESC, seq DESC";
        let incidents = self.incidents(&format!("{conditions} {order} {limit}"), values.as_slice())?;
        Ok(Listing { total: u64::try_from(total).unwrap_or(0), incidents })
    }

    /// The whole of one incident, by its id or a beginning that no other id has. More than one where several fit.
    pub fn find(&self, id: &str) -> Result<Vec<Incident>, StoreError> {
        let is_id = id.len() >= MIN_PREFIX && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id || self.is_empty()? {
            return Ok(Vec::new());
        }
        let length = i64::try_from(id.len()).unwrap_or(i64::MAX);
        let id = id.to_ascii_lowercase();
        let mut found = self.incidents("WHERE substr(id, 1, ?1) = ?2 LIMIT 8", params![length, id])?;
        for incident in &mut found {
            incident.timeline = self.timeline(&incident.id)?;
        }
        Ok(found)
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        schema::found(&self.connection)
            .map(|found| found == 0)
            .map_err(|source| sql(&self.path, "read", source))
    }

    fn incidents(&self, rest: &str, values: &[&dyn ToSql]) -> Result<Vec<Incident>, StoreError> {
        let failed = |source| sql(&self.path, "read", source);
        let columns = format!("SELECT id, told, timeline_dropped FROM incident {rest}");
        let mut statement = self.connection.prepare(&columns).map_err(failed)?;
        let mut rows = statement.query(values).map_err(failed)?;
        let mut incidents = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (id, told, dropped) = outline(row).map_err(failed)?;
            let told: Told = serde_json::from_str(&told)
                .map_err(|source| StoreError::Content { path: self.path.clone(), source })?;
            let (told, timeline_dropped) = (told.made_inert(), u64::try_from(dropped).unwrap_or(0));
            incidents.push(Incident { id, told, timeline: Vec::new(), timeline_dropped });
        }
        Ok(incidents)
    }

    fn timeline(&self, id: &str) -> Result<Vec<Evidence>, StoreError> {
        let failed = |source| sql(&self.path, "read", source);
        let mut statement = self
            .connection
            .prepare(
                "SELECT at, source, fact FROM evidence JOIN incident ON seq = incident WHERE id = ?1 \
                 ORDER BY at, source, fact",
            )
            .map_err(failed)?;
        let rows = statement.query_map([id], evidence).map_err(failed)?;
        rows.collect::<rusqlite::Result<Vec<Option<Evidence>>>>()
            .map(|all| all.into_iter().flatten().collect())
            .map_err(failed)
    }
}

fn outline(row: &Row<'_>) -> rusqlite::Result<(String, String, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// `None` of a source that this gomon does not know.
fn evidence(row: &Row<'_>) -> rusqlite::Result<Option<Evidence>> {
    let (at, source, fact): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let source = Source::ALL.into_iter().find(|known| known.name() == source);
    Ok(source.map(|source| Evidence {
        at: u64::try_from(at).ok().map(BootNs),
        source,
        fact: inert(&fact).into_owned(),
    }))
}

/// `WHERE …` and its values, in the order of their question marks.
fn conditions(query: &Query) -> (String, Vec<Box<dyn ToSql>>) {
    let Query { namespace, pod, container, pattern, min_severity, since, until, limit: _ } = query;
    let mut conditions: Vec<&str> = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    for (condition, value) in [("namespace = ?", namespace), ("pod = ?", pod), ("pattern = ?", pattern)] {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(Box::new(value.clone()));
        }
    }
    if let Some(container) = container {
        conditions.push(
            "? IN (name, CASE pod WHEN '' THEN name ELSE pod END, namespace || '/' || pod,
                 namespace || '/' || pod || '/' || name, substr(container, 1, ?))",
        );
        values.push(Box::new(container.clone()));
        values.push(Box::new(i64::try_from(container.chars().count()).unwrap_or(i64::MAX)));
    }
    for (condition, value) in [
        ("severity >= ?", min_severity.map(|severity| severity as i64)),
        ("last_seen >= ?", *since),
        ("first_seen <= ?", *until),
    ] {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(Box::new(value));
        }
    }
    let text =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    (text, values)
}

/// `file:` with what a URI does not carry escaped, <https://www.sqlite.org/uri.html>.
fn uri(path: &Path, options: &str) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};
    let mut out = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out + options
}

/// The index of the log could not be made.
fn is_closed_directory(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}
