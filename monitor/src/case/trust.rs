//! What Go programs of a container read certificates from, and what is known of those files.

use monitor_common::path::PathClass;

use super::{ANSWER_NS, Case};
use crate::model::{
    event::{Event, EventKind},
    fact::{Known, TrustState},
    pem::Pem,
    time::BootNs,
};

/// Files that Go programs may have read root certificates from.
const MAX_TRUST_READS: usize = 8;

/// A file or directory that a Go program may have read root certificates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRead {
    pub at: BootNs,
    pub path: String,
    pub program: String,
}

/// What became of the question about a file with certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemAnswer<'a> {
    /// It may still come.
    Waiting,
    /// Nobody could look.
    Unknown,
    Is(&'a Pem),
}

impl Case {
    /// What is known of the certificates and the key in a file that was opened then, by its path as the program wrote it.
    pub fn pem(&self, path: &str, opened_at: BootNs) -> PemAnswer<'_> {
        match self.surroundings.pems.get(&self.absolute(path)) {
            Some(Known::Is(pem)) => PemAnswer::Is(pem),
            None if self.awake_ns(opened_at, self.now) < ANSWER_NS => PemAnswer::Waiting,
            Some(Known::Unknown(_)) | None => PemAnswer::Unknown,
        }
    }

    /// Remembers which roots a Go program reads: it may be gone before anybody asks.
    pub(super) fn follow_trust(&mut self, event: &Event) {
        let EventKind::Open { path, class, result: Ok(_), .. } = &event.kind else { return };
        // A variable may name any file: which one counts is judged when it is known.
        let is_root = matches!(class, PathClass::TrustStore | PathClass::Certificate);
        let reads = &self.surroundings.trust_reads;
        if !is_root || reads.len() >= MAX_TRUST_READS || reads.iter().any(|read| *read.path == **path) {
            return;
        }
        let process = self.process(event.task.pid).filter(|process| process.go_started.is_some());
        let Some(program) = process.and_then(|process| process.program.as_ref()) else { return };
        let (path, program) = (path.to_string(), program.path.clone());
        self.surroundings.trust_reads.push(TrustRead { at: event.at, path, program });
    }

    /// A bundle that had no valid certificate when the container was born.
    pub(super) fn is_doubtful_bundle(&self, path: &str) -> bool {
        let Some(store) = self.trust_store.get() else { return false };
        let state = store.files.iter().find(|(file, _)| file == path).map(|(_, state)| state);
        let expired = store.dates.is_some_and(|dates| dates.expired > 0 && dates.expired == dates.total);
        match state {
            Some(TrustState::Empty | TrustState::Certificates(0)) => true,
            Some(TrustState::Certificates(_)) => expired,
            Some(TrustState::Absent | TrustState::Unreadable(_) | TrustState::Unknown(_)) | None => false,
        }
    }
}
