//! What is wrong with the root certificates that a Go process finds, by the rules of `crypto/x509/root_unix.go`: the first
//! file that can be read counts, then every file of every directory.

use super::roots::{Look, is_in};
use crate::{
    case::{Case, PemAnswer},
    model::{
        errno::Errno,
        fact::{TrustState, TrustStore},
        pem::Pem,
        time::BootNs,
    },
};

/// Why no root can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    Empty,
    Corrupt,
    /// And why.
    Unreadable(String),
    /// So many certificates, all of them.
    Expired(u32),
    /// This variable names what does not exist.
    Variable(&'static str),
}

impl Reason {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Corrupt => "corrupt",
            Self::Unreadable(_) => "unreadable",
            Self::Expired(_) => "expired",
            Self::Variable(_) => "variable",
        }
    }
}

/// How the fault is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// By what the process met, or by the file as it was then.
    Seen,
    /// By the files as they were before the container started.
    Birth,
    /// The process was not seen to go there.
    Unseen,
}

/// What is wrong.
pub(super) struct Fault<'a> {
    pub(super) path: &'a str,
    pub(super) reason: Reason,
    pub(super) proof: Proof,
}

/// What the first readable file gives, as far as the process and the files tell.
enum Files<'a> {
    /// It is read, and this is wrong with it.
    Useless(&'a str, Reason, Proof),
    /// None could be read; the first one that is there, and why.
    Denied(&'a str, String, Proof),
    /// None is there.
    Absent(Proof),
}

/// The fault that leaves this process without a root; `None` also where anything is unknown.
pub(super) fn find<'a>(case: &'a Case, look: &Look<'_>) -> Option<Fault<'a>> {
    let store = case.trust_store.get()?;
    if !look.follows(store) {
        return None;
    }
    let files = files(case, look, store)?;
    let read = match files {
        Files::Useless(path, ..) | Files::Denied(path, ..) => Some(path),
        Files::Absent(_) => None,
    };
    let each = store.directories.iter().map(|(path, state)| directory(look, path, state, read));
    let directories: Vec<Directory<'a>> = each.collect::<Option<_>>()?;
    let denied = directories.iter().find_map(|directory| match directory {
        Directory::Denied(path, why) => Some((*path, why.clone())),
        Directory::Barren => None,
    });
    let (path, reason, proof) = match (files, denied) {
        (Files::Useless(path, reason, proof), _) => (path, reason, proof),
        (Files::Denied(path, why, proof), _) | (Files::Absent(proof), Some((path, why))) => {
            (path, Reason::Unreadable(why), proof)
        }
        (Files::Absent(proof), None) => variable(case, store, look, proof)?,
    };
    Some(Fault { path, reason, proof })
}

/// `None`: something is not known, or a file has a valid root.
fn files<'a>(case: &'a Case, look: &Look<'_>, store: &'a TrustStore) -> Option<Files<'a>> {
    let (mut denied, mut proof) = (None, Proof::Seen);
    let of_untold = if look.opens.is_empty() { Proof::Unseen } else { Proof::Birth };
    for (path, state) in &store.files {
        let open = look.open(path);
        if open.is_none() {
            // Where the kernel tells every open, the process was not there.
            if is_told(path) {
                return None;
            }
            proof = of_untold;
        }
        let why = match (open.map(|open| open.result), state) {
            (Some(Err(Errno::ENOENT | Errno::ENOTDIR)), _) | (None, TrustState::Absent) => continue,
            (Some(Err(errno)), TrustState::Unreadable(why)) => format!("{errno}: {why}"),
            (Some(Err(errno)), _) => errno.to_string(),
            (Some(Ok(_)), TrustState::Unreadable(why)) if why == TrustState::DIRECTORY => why.clone(),
            (None, TrustState::Unreadable(why)) => why.clone(),
            (_, TrustState::Empty | TrustState::Certificates(_)) => {
                let (reason, seen) = content(case, path, state, open.map(|open| open.at))?;
                let proof = if open.is_some() { seen } else { of_untold };
                return Some(Files::Useless(path, reason, proof));
            }
            (_, TrustState::Absent | TrustState::Unreadable(_) | TrustState::Unknown(_)) => {
                return None;
            }
        };
        denied.get_or_insert((path.as_str(), why));
    }
    Some(match denied {
        Some((path, why)) => Files::Denied(path, why, proof),
        None => Files::Absent(proof),
    })
}

/// What is wrong with a bundle that was read: as it was when it was opened, or else as it was at birth.
fn content(
    case: &Case,
    path: &str,
    state: &TrustState,
    opened_at: Option<BootNs>,
) -> Option<(Reason, Proof)> {
    let dates = case.trust_store.get().and_then(|store| store.dates);
    let at_birth = match state {
        TrustState::Empty => Reason::Empty,
        TrustState::Certificates(0) => Reason::Corrupt,
        TrustState::Certificates(_) => {
            let dates = dates.filter(|dates| dates.total > 0 && dates.expired == dates.total)?;
            Reason::Expired(dates.total)
        }
        TrustState::Absent | TrustState::Unreadable(_) | TrustState::Unknown(_) => return None,
    };
    let Some(opened_at) = opened_at else { return Some((at_birth, Proof::Unseen)) };
    match case.pem(path, opened_at) {
        PemAnswer::Waiting => None,
        PemAnswer::Unknown => Some((at_birth, Proof::Birth)),
        PemAnswer::Is(pem) => match pem {
            Pem::Empty => Some((Reason::Empty, Proof::Seen)),
            Pem::Corrupt => Some((Reason::Corrupt, Proof::Seen)),
            Pem::Present(contents) if contents.certificates.is_empty() => {
                Some((Reason::Corrupt, Proof::Seen))
            }
            // It tells the first few of many: those of a bundle that was no good before cannot speak for the rest.
            Pem::Present(contents) => {
                let is_over = contents.certificates.iter().all(|one| one.not_after_s < contents.looked_s);
                (is_over && matches!(at_birth, Reason::Expired(_))).then_some((at_birth, Proof::Seen))
            }
            Pem::Absent { .. } | Pem::Directory | Pem::Unreadable(_) => None,
        },
    }
}

/// A directory that gives no root.
enum Directory<'a> {
    /// Also one that is not there.
    Barren,
    Denied(&'a str, String),
}

/// `None`: it may give roots. `read`: the bundle that is no good, which may lie in it.
fn directory<'a>(
    look: &Look<'_>,
    path: &'a str,
    state: &TrustState,
    read: Option<&str>,
) -> Option<Directory<'a>> {
    if let Some(Err(errno)) = look.open(path).map(|open| open.result) {
        return Some(match errno {
            Errno::ENOENT | Errno::ENOTDIR => Directory::Barren,
            errno => Directory::Denied(path, errno.to_string()),
        });
    }
    match state {
        TrustState::Absent | TrustState::Empty | TrustState::Certificates(0) => Some(Directory::Barren),
        TrustState::Unreadable(why) => Some(Directory::Denied(path, why.clone())),
        // It was not counted, or the bundle itself was: what the process opened in it tells.
        TrustState::Certificates(_) | TrustState::Unknown(_) => {
            let is_told = path.starts_with("/etc/ssl/") || path.starts_with("/etc/pki/");
            let is_inside = |open: &str| open != path && is_in(path, open);
            // What was counted has to be the bundle; what nobody could look into is told by the opens alone.
            let is_explained = matches!(state, TrustState::Unknown(_)) || read.is_some_and(is_inside);
            let mut others = look.opens.iter().filter(|open| open.result.is_ok() && is_inside(&open.path));
            let has_others = others.any(|open| Some(open.path.as_str()) != read);
            let was_read = look.open(path).is_some();
            (is_told && was_read && is_explained && !has_others).then_some(Directory::Barren)
        }
    }
}

/// The variable to blame where neither a file nor a directory is there.
fn variable<'a>(
    case: &'a Case,
    store: &'a TrustStore,
    look: &Look<'_>,
    proof: Proof,
) -> Option<(&'a str, Reason, Proof)> {
    let is_set = |name: &str| {
        let value = case.config.get()?.env.get(name).filter(|value| !value.is_empty())?;
        Some(value.as_str())
    };
    // The places beside it that it looked at in vain are proof, even where its own is not told.
    let proof = if look.opens.iter().any(|open| open.result.is_err()) { Proof::Seen } else { proof };
    if let Some(file) = is_set("SSL_CERT_FILE") {
        return Some((file, Reason::Variable("SSL_CERT_FILE"), proof));
    }
    is_set("SSL_CERT_DIR")?;
    let (first, _) = store.directories.first()?;
    Some((first, Reason::Variable("SSL_CERT_DIR"), proof))
}

/// Each open of this path is seen, whatever comes of it.
fn is_told(path: &str) -> bool {
    let is_place = path.starts_with("/etc/ssl/") || path.starts_with("/etc/pki/");
    let is_temporary = path.starts_with("/tmp/") || path.starts_with("/var/tmp/");
    is_place || !is_temporary && [".crt", ".pem", ".key", ".cert"].iter().any(|end| path.ends_with(end))
}
