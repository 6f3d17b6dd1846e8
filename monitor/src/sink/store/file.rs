//! The files of a store: whose they are, who may write them, and what becomes of damaged ones. Reads no incident.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::StoreError;

/// `PRAGMA application_id`: "gomn".
pub(super) const APPLICATION_ID: i32 = 0x676f_6d6e;
/// How an `SQLite` file begins, and where in its header the application id is: <https://www.sqlite.org/fileformat.html>.
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const ID_AT: std::ops::Range<usize> = 68..72;
/// Files that `SQLite` keeps beside the database while it is open.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// How often, and how soon, a lock that somebody has is tried once more.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);
/// The directory that only gomon uses, and may hand over with the files.
const OWN_DIRECTORY: &str = "gomon";

/// What stands at the place of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Own,
    /// Nothing can be read from it; a crash of the machine leaves zeros.
    Zeros,
    Foreign,
}

/// Looks at the header alone.
pub(super) fn look(path: &Path) -> io::Result<Found> {
    let mut header = [0; HEADER_BYTES];
    let mut length = 0;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    while let Some(rest) = header.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => length += count,
        }
    }
    let read = header.get(..length).unwrap_or_default();
    let is_own = read.starts_with(MAGIC) && read.get(ID_AT) == Some(&APPLICATION_ID.to_be_bytes());
    Ok(match read {
        [] => Found::Nothing,
        _ if is_own => Found::Own,
        bytes if bytes.iter().all(|byte| *byte == 0) => Found::Zeros,
        _ => Found::Foreign,
    })
}

/// Makes the directory and an empty file that others cannot read, where they are missing.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(directory);
        made.map_err(|source| StoreError::File { path: directory.to_owned(), what: "make", source })?;
    }
    let made = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
    made.map(drop).map_err(|source| StoreError::File { path: path.to_owned(), what: "open", source })
}

/// `gomon.db` and a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Keeps other agents away for as long as the file is open. The kernel lets go of it however the process ends. A file of
/// its own: closing any descriptor of the database would drop the locks that `SQLite` has on it, fcntl(2).
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, "-lock");
    let failed = |what, source| StoreError::File { path: lock.clone(), what, source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o640);
    let mut file = options.open(&lock).map_err(|source| failed("open", source))?;
    match patiently(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            // Only for the message.
            let _ = file.take(32).read_to_string(&mut pid);
            let holder = match pid.trim().parse::<u32>() {
                Ok(pid) => format!("pid {pid}"),
                Err(_) => "its process is not known".to_owned(),
            };
            return Err(StoreError::Held { path: path.to_owned(), holder });
        }
        Err(error) => return Err(failed("lock", error.into())),
    }
    // A full disk must not keep the agent from locking: who holds it is only told.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Tries once more for a moment: a child that the last holder had just forked has the lock, too, until it is another program.
fn patiently(mut lock: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match lock() {
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    lock()
}

/// Whether the last writer did not close it: it was killed, or it still writes.
pub(super) fn is_left_open(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0)
}

/// Moves a damaged store out of the way; where to.
pub(super) fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    let aside = beside(path, &format!(".damaged-{time}"));
    let failed = |path: &Path, source| StoreError::File { path: path.to_owned(), what: "move", source };
    // The log first: beside a new database it would be taken for that one's.
    for suffix in COMPANIONS {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(path, error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, &aside).map_err(|source| failed(path, source))?;
    Ok(aside)
}

/// Makes the place of a store and gives it to the user that the agent becomes once it watches: that user opens it. The
/// directory goes along where it is gomon's own; another one has to be that user's already.
pub fn make_room(path: &Path, uid: u32) -> Result<(), StoreError> {
    prepare(path)?;
    hand_over(path, uid, uid)
}

pub(super) fn hand_over(path: &Path, uid: u32, gid: u32) -> Result<(), StoreError> {
    let directory =
        path.parent().filter(|parent| parent.file_name().is_some_and(|name| name == OWN_DIRECTORY));
    let files = ["", "-wal", "-shm", "-lock"].map(|suffix| beside(path, suffix));
    for file in files.iter().map(PathBuf::as_path).chain(directory) {
        match chown(file, Some(uid), Some(gid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::File { path: file.to_owned(), what: "hand over", source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
