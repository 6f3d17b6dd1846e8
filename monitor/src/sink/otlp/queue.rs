//! What waits to be sent: news of each diagnosis once, however often it comes; what there is no room for is given up and
//! counted. Pure: time comes in as a value.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    model::{
        container::{ContainerId, Identity},
        diagnosis::Diagnosis,
        incident::Sighting,
    },
    sink::outlet::Why,
};

/// Diagnoses whose news wait.
pub(super) const MAX_WAITING: usize = 4_096;
/// Bytes of their texts.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// Diagnoses that are remembered so that nothing is told twice.
const MAX_KNOWN: usize = 8_192;
/// Records of one request.
pub(super) const MAX_BATCH: usize = 512;
/// Bytes of their texts: well below the 4 MiB that receivers of gRPC take.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// What a sighting weighs beside its texts.
const FRAME_BYTES: usize = 512;

/// How soon news are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// News wait so long for more of the same, and for others to go along.
    pub(super) gather: Duration,
    /// From one record of a diagnosis to the next.
    pub(super) pause: Duration,
}

type Key = (ContainerId, String, String);

/// One diagnosis.
struct Entry {
    sent: Option<Sent>,
    news: Option<News>,
}

/// What the receiver was told last.
#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    count: u64,
    print: u64,
}

struct News {
    sighting: Arc<Sighting>,
    why: Why,
    /// Tells it from what comes while it is on its way.
    version: u64,
    since: Instant,
    bytes: usize,
    print: u64,
}

/// What goes into one request.
pub(super) struct Item {
    key: Key,
    version: u64,
    print: u64,
    pub(super) sighting: Arc<Sighting>,
    pub(super) why: Why,
}

pub(super) struct Queue {
    pace: Pace,
    entries: BTreeMap<Key, Entry>,
    waiting: usize,
    bytes: usize,
    versions: u64,
    overflown: u64,
}

impl Queue {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, entries: BTreeMap::new(), waiting: 0, bytes: 0, versions: 0, overflown: 0 }
    }

    /// Diagnoses whose news wait, those on their way among them.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// News that there was no room for.
    pub(super) fn overflown(&self) -> u64 {
        self.overflown
    }

    /// Takes news in. Of those that wait for the same diagnosis the latest stand for all.
    pub(super) fn take(&mut self, sighting: &Sighting, why: Why, now: Instant) {
        let Diagnosis { container, pattern, subject, .. } = &sighting.told.diagnosis;
        let key = (container.clone(), pattern.clone(), subject.clone());
        let (print, bytes) = (print(sighting), weight(sighting));
        let known = self.entries.get(&key);
        let before = known.and_then(|entry| entry.news.as_ref());
        let is_told =
            before.is_none() && known.and_then(|entry| entry.sent).is_some_and(|sent| sent.print == print);
        if is_told {
            return;
        }
        let (others, freed) = before.map_or((self.waiting, 0), |news| (self.waiting - 1, news.bytes));
        if others >= MAX_WAITING || self.bytes - freed + bytes > MAX_BYTES {
            self.overflown += 1;
            return;
        }
        self.versions += 1;
        let news = News {
            sighting: Arc::new(sighting.clone()),
            why: before.map_or(why, |news| first_of(news.why, why)),
            version: self.versions,
            since: before.map_or(now, |news| news.since),
            bytes,
            print,
        };
        self.waiting = others + 1;
        self.bytes = self.bytes - freed + bytes;
        self.entries.entry(key).or_insert(Entry { sent: None, news: None }).news = Some(news);
        self.forget(now);
    }

    /// The news that are due, the oldest first; all of them where `is_last`. They wait on until they are
    /// [settled](Self::settle).
    pub(super) fn due(&self, now: Instant, is_last: bool) -> Vec<Item> {
        let Pace { gather, pause } = self.pace;
        let is_due = |news: &News, sent: Option<Sent>| {
            is_last
                || (now.saturating_duration_since(news.since) >= gather
                    && sent.is_none_or(|sent| now.saturating_duration_since(sent.at) >= pause))
        };
        let mut due: Vec<(&Key, &News, Option<Sent>)> = self
            .entries
            .iter()
            .filter_map(|(key, Entry { sent, news })| Some((key, news.as_ref()?, *sent)))
            .filter(|(_, news, sent)| is_due(news, *sent))
            .collect();
        due.sort_by_key(|(_, news, _)| (news.since, news.version));
        let mut bytes = 0;
        let fits = |(_, news, _): &(&Key, &News, Option<Sent>)| {
            let is_first = bytes == 0;
            bytes += news.bytes;
            is_first || bytes <= MAX_BATCH_BYTES
        };
        due.into_iter()
            .take(MAX_BATCH)
            .take_while(fits)
            .map(|(key, news, sent)| Item {
                key: key.clone(),
                version: news.version,
                print: news.print,
                sighting: Arc::clone(&news.sighting),
                why: match sent {
                    None => news.why,
                    Some(sent) if news.sighting.entry.count != sent.count => Why::Again,
                    Some(_) => Why::Revised,
                },
            })
            .collect()
    }

    /// The receiver has these, or will never have them. What came while they were on their way waits on.
    pub(super) fn settle(&mut self, items: &[Item], now: Instant) {
        for Item { key, version, print, sighting, why: _ } in items {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            entry.sent = Some(Sent { at: now, count: sighting.entry.count, print: *print });
            if let Some(news) = entry.news.take_if(|news| news.version == *version || news.print == *print) {
                self.waiting -= 1;
                self.bytes -= news.bytes;
            }
        }
    }

    /// Makes room for further diagnoses: those that were told longest ago and have no news go.
    fn forget(&mut self, now: Instant) {
        if self.entries.len() <= MAX_KNOWN {
            return;
        }
        let age = |entry: &Entry| entry.sent.map(|sent| now.saturating_duration_since(sent.at));
        let mut ages: Vec<Duration> =
            self.entries.values().filter(|entry| entry.news.is_none()).filter_map(age).collect();
        ages.sort_unstable();
        // A quarter at a time.
        let Some(limit) = ages.get(ages.len() - ages.len() / 4 - usize::from(!ages.is_empty())).copied()
        else {
            return;
        };
        self.entries.retain(|_, entry| entry.news.is_some() || age(entry).is_none_or(|age| age < limit));
    }
}

/// What is told first of two reasons.
fn first_of(one: Why, other: Why) -> Why {
    match (one, other) {
        (Why::New, _) | (_, Why::New) => Why::New,
        (Why::Again, _) | (_, Why::Again) => Why::Again,
        (Why::Revised, Why::Revised) => Why::Revised,
    }
}

/// Two sightings with the same one say the same, but for what time alone changes.
fn print(sighting: &Sighting) -> u64 {
    let told = &sighting.told;
    let Identity { name, image, namespace, pod, pod_uid, workload, runtime } = &told.identity;
    let Diagnosis { severity, confidence, summary, evidence, remedy, consequence_of, .. } = &told.diagnosis;
    let mut hasher = DefaultHasher::new();
    (sighting.entry.count, severity, confidence, summary, remedy, consequence_of).hash(&mut hasher);
    (name, image, namespace, pod, pod_uid, workload, runtime).hash(&mut hasher);
    for one in evidence {
        (one.at, &one.fact).hash(&mut hasher);
    }
    hasher.finish()
}

/// Bytes of its texts, about.
fn weight(sighting: &Sighting) -> usize {
    let Identity { name, image, namespace, pod, pod_uid, workload: _, runtime: _ } = &sighting.told.identity;
    let Diagnosis { container, pattern, subject, summary, evidence, remedy, .. } = &sighting.told.diagnosis;
    let texts = [name, image, namespace, pod, pod_uid, pattern, subject, summary, remedy];
    let facts = evidence.iter().chain(&sighting.timeline).map(|one| one.fact.len() + 64);
    let blind = sighting.told.coverage.blind.iter().map(|one| one.what.len() + one.why.len());
    FRAME_BYTES
        + container.0.len()
        + texts.iter().map(|text| text.len()).sum::<usize>()
        + facts.chain(blind).sum::<usize>()
}

#[cfg(test)]
#[path = "tests/queue.rs"]
mod tests;
