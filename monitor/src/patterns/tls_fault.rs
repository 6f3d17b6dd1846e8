//! What is wrong with the certificate and the key that a Go process loads: from the opens that failed, and from what the
//! opened files hold.

use monitor_common::path::PathClass;

use super::tls_names::{are_namesakes, are_partners, is_of_a_key_pair};
use crate::{
    case::{Case, OpenSeen, PemAnswer, Process, is_for_writing},
    model::{
        errno::Errno,
        pem::{Pem, PemContents},
        time::{BootNs, MS},
    },
};

/// `tls.LoadX509KeyPair` reads one file right after the other.
const TOGETHER_NS: u64 = 100 * MS;

/// Why the pair cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Missing,
    /// With what the kernel said.
    Unreadable(Errno),
    Directory,
    Empty,
    Corrupt,
    /// The key is not that of the file's first certificate.
    NotAPair,
}

impl Reason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable(_) => "unreadable",
            Self::Directory => "directory",
            Self::Empty => "empty",
            Self::Corrupt => "corrupt",
            Self::NotAPair => "not a pair",
        }
    }
}

/// What a fault rests on besides its own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// The kernel refused the open; why the program wanted the file is not known.
    Refused,
    /// Two files that were read one after the other, under names that do not belong together.
    Neighbour,
    /// The files themselves.
    Content,
}

/// One thing that is wrong.
pub(super) struct Fault<'a> {
    pub(super) open: &'a OpenSeen,
    pub(super) reason: Reason,
    pub(super) proof: Proof,
    /// The other half of the pair, where it is known.
    pub(super) partner: Option<&'a OpenSeen>,
}

impl Fault<'_> {
    /// When the program knew of it.
    pub(super) fn known_at(&self) -> BootNs {
        self.partner.map_or(self.open.at, |partner| self.open.at.max(partner.at))
    }
}

/// Opens of files that may be a certificate or a key of the program's own, in order.
pub(super) fn opens<'a>(case: &Case, process: &'a Process) -> Vec<&'a OpenSeen> {
    let store = case.trust_store.get();
    let is_root = |path: &str| {
        let mut places = store.into_iter().flat_map(|store| store.files.iter().chain(&store.directories));
        places.any(|(place, _)| path == place || path.starts_with(&format!("{place}/")))
    };
    // Who writes one does not load it.
    let is_own = |open: &&OpenSeen| {
        open.class == PathClass::Certificate
            && is_of_a_key_pair(&open.path)
            && !is_root(&open.path)
            && !is_for_writing(open.flags)
    };
    process.opens.iter().filter(is_own).collect()
}

/// The last thing that went wrong; `None` also as long as an answer about a later file may come.
pub(super) fn find<'a>(case: &'a Case, opens: &[&'a OpenSeen]) -> Option<Fault<'a>> {
    let refused = opens.iter().rev().find_map(|open| refused(open, opens));
    let from = refused.as_ref().map_or(BootNs(0), |fault| fault.open.at);
    let read: Vec<&OpenSeen> =
        opens.iter().filter(|open| open.result.is_ok() && open.at >= from).copied().collect();
    if read.iter().any(|open| case.pem(&open.path, open.at) == PemAnswer::Waiting) {
        return None;
    }
    let content = (0..read.len()).rev().find_map(|at| of_content(case, &read, at));
    content.or(refused)
}

/// An open that failed, and that no later one made good: of the same file, or of its namesake elsewhere.
fn refused<'a>(open: &'a OpenSeen, all: &[&'a OpenSeen]) -> Option<Fault<'a>> {
    let errno = open.result.err()?;
    let is_mended = |later: &&&OpenSeen| {
        later.result.is_ok() && later.at >= open.at && are_namesakes(&later.path, &open.path)
    };
    if all.iter().any(|later| is_mended(&later)) {
        return None;
    }
    let reason = match errno {
        Errno::ENOENT | Errno::ENOTDIR => Reason::Missing,
        Errno::EACCES | Errno::EPERM => Reason::Unreadable(errno),
        // Too many open files and the like: not the file's fault.
        _ => return None,
    };
    Some(Fault { open, reason, proof: Proof::Refused, partner: None })
}

fn pem<'a>(case: &'a Case, open: &OpenSeen) -> Option<&'a Pem> {
    match case.pem(&open.path, open.at) {
        PemAnswer::Is(pem) => Some(pem),
        PemAnswer::Waiting | PemAnswer::Unknown => None,
    }
}

/// What is wrong with the file at `at`, by what it and its neighbours hold.
fn of_content<'a>(case: &'a Case, read: &[&'a OpenSeen], at: usize) -> Option<Fault<'a>> {
    let open = *read.get(at)?;
    let next = read.get(at + 1).copied();
    let before = at.checked_sub(1).and_then(|before| read.get(before)).copied();
    let fault = |reason, proof, partner| Some(Fault { open, reason, proof, partner });
    match pem(case, open)? {
        // Reading it fails: nothing is opened after it.
        Pem::Directory => {
            fault(Reason::Directory, if next.is_none() { Proof::Content } else { Proof::Refused }, None)
        }
        Pem::Empty => damaged(case, open, before, next, Reason::Empty),
        Pem::Corrupt => damaged(case, open, before, next, Reason::Corrupt),
        Pem::Present(contents) => {
            if is_pair(contents, contents.key.as_ref()?.public.as_deref()) == Some(false) && next.is_none() {
                return fault(Reason::NotAPair, Proof::Content, None);
            }
            let certificate = before.filter(|before| are_together(before, open))?;
            let Pem::Present(shown) = pem(case, certificate)? else { return None };
            let differ = is_pair(shown, contents.key.as_ref()?.public.as_deref()) == Some(false);
            let proof = proof_of(&certificate.path, &open.path);
            // Blame the key: what it does not fit is told beside it.
            if differ { fault(Reason::NotAPair, proof, Some(certificate)) } else { None }
        }
        Pem::Absent { .. } | Pem::Unreadable(_) => None,
    }
}

/// Whether the first certificate is that of a key; `None`: there is no certificate, or the key does not tell.
fn is_pair(contents: &PemContents, key: Option<&str>) -> Option<bool> {
    Some(contents.certificates.first()?.public == key?)
}

/// A file without anything in it counts as half of a pair whose other half is beside it, and is one.
fn damaged<'a>(
    case: &'a Case,
    open: &'a OpenSeen,
    before: Option<&'a OpenSeen>,
    next: Option<&'a OpenSeen>,
    reason: Reason,
) -> Option<Fault<'a>> {
    let holds = |other: &OpenSeen, is_half: fn(&PemContents) -> bool| match pem(case, other) {
        Some(Pem::Present(contents)) => is_half(contents),
        Some(Pem::Absent { .. } | Pem::Directory | Pem::Unreadable(_) | Pem::Empty | Pem::Corrupt) | None => {
            false
        }
    };
    let key = next
        .filter(|next| are_together(open, next) && holds(next, |contents| contents.key.is_some()))
        .map(|key| (key, proof_of(&open.path, &key.path)));
    let certificate = before
        .filter(|before| {
            are_together(before, open) && holds(before, |contents| !contents.certificates.is_empty())
        })
        .map(|certificate| (certificate, proof_of(&certificate.path, &open.path)));
    let (partner, proof) = certificate.or(key)?;
    Some(Fault { open, reason, proof, partner: Some(partner) })
}

fn are_together(first: &OpenSeen, second: &OpenSeen) -> bool {
    second.at.since(first.at) <= TOGETHER_NS
}

fn proof_of(certificate: &str, key: &str) -> Proof {
    if are_partners(certificate, key) { Proof::Content } else { Proof::Neighbour }
}

/// Pairs that fit, and whose certificate was not valid when gomon looked: the file, and what it holds.
pub(super) fn out_of_date<'a>(
    case: &'a Case,
    opens: &[&'a OpenSeen],
) -> impl Iterator<Item = (&'a OpenSeen, &'a PemContents)> {
    let read: Vec<&OpenSeen> = opens.iter().filter(|open| open.result.is_ok()).copied().collect();
    let pairs: Vec<(&OpenSeen, &OpenSeen)> = read
        .iter()
        .copied()
        .zip(read.iter().copied())
        .chain(read.windows(2).filter_map(|two| match two {
            [certificate, key] => Some((*certificate, *key)),
            _ => None,
        }))
        .collect();
    pairs.into_iter().filter_map(|(certificate, key)| {
        let (Pem::Present(shown), Pem::Present(with_key)) = (pem(case, certificate)?, pem(case, key)?) else {
            return None;
        };
        let first = shown.certificates.first()?;
        let is_valid = (first.not_before_s..=first.not_after_s).contains(&shown.looked_s);
        let fits = is_pair(shown, with_key.key.as_ref()?.public.as_deref()) == Some(true);
        (fits && !is_valid).then_some((certificate, shown))
    })
}
