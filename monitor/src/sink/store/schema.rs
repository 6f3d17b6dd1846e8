//! The tables of a store and how an older store becomes one of today. Adds; never takes away.

use rusqlite::{Connection, Result, Transaction, TransactionBehavior};

use super::file::APPLICATION_ID;

/// Each step brings a store from the version that is its place to the next one.
const STEPS: &[&str] = &["
    CREATE TABLE incident (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(5)))),
        container TEXT NOT NULL,
        pattern TEXT NOT NULL,
        subject TEXT NOT NULL,
        severity INTEGER NOT NULL,
        namespace TEXT NOT NULL,
        pod TEXT NOT NULL,
        name TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        told TEXT NOT NULL,
        mark TEXT NOT NULL,
        timeline_dropped INTEGER NOT NULL DEFAULT 0,
        UNIQUE (container, pattern, subject)
    ) STRICT;
    CREATE INDEX incident_last_seen ON incident (last_seen);
    CREATE TABLE evidence (
        incident INTEGER NOT NULL REFERENCES incident (seq) ON DELETE CASCADE,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        fact TEXT NOT NULL,
        PRIMARY KEY (incident, at, source, fact)
    ) STRICT, WITHOUT ROWID;
"];

/// The version of the tables, `PRAGMA user_version`.
pub(super) fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

pub(super) fn found(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Marks an empty database as gomon's, before it becomes one with a write-ahead log: from then on the header of the file
/// alone tells whose it is.
pub(super) fn claim(connection: &Connection) -> Result<()> {
    // Only an empty database can be told to give pages back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}

/// Makes what is missing, all of it or nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let from = usize::try_from(found(&transaction)?).unwrap_or(0);
    for step in STEPS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", version())?;
    transaction.commit()
}
