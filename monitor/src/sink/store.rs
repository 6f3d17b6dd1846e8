//! The file in which incidents outlive the agent: `SQLite`, one writer, any number of readers. Never waits for the pipeline,
//! and never makes it wait.

mod file;
mod keeper;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::{io, path::PathBuf};

pub use file::make_room;
pub use keeper::{Handle, Keeper, Limits, Tallies};
pub use read::{Listing, Query, Reader};
pub use write::Store;

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "another gomon agent ({holder}) keeps its incidents in {}: stop it, or choose another file with --store",
        path.display()
    )]
    Held { path: PathBuf, holder: String },
    #[error("{} is not a store of gomon's: choose another file with --store", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "{} was written by a newer gomon (version {found} of the store, this one knows {known}): \
         use that gomon, or choose another file with --store",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} is damaged", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("there is no store at {}", path.display())]
    Missing { path: PathBuf },
    #[error(
        "{} was left by an agent that was killed, and this user may not repair it: read it as its owner, or start \
         the agent",
        path.display()
    )]
    Unrecovered { path: PathBuf },
    #[error("cannot {what} {}", path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot {what} the store {}", path.display())]
    Sql {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the store {} has an incident that cannot be read", path.display())]
    Content {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    /// A wrong choice of the file, which time does not heal.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Foreign { .. } | Self::Newer { .. })
    }

    /// The open store can be written as soon as the disk has room, or a reader is done.
    fn is_passing(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        let Self::Sql { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull))
    }

    fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// What `SQLite` says of a file whose bytes are not what it wrote.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// An error and what caused it, on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        told.push_str(": ");
        told.push_str(&next.to_string());
        cause = next.source();
    }
    told
}
