//! The export as a whole: what a receiver gets, and what becomes of it when the receiver misbehaves.

mod mapping;
mod receiver;
mod stopping;
mod trouble;
mod trust;

use super::*;
use crate::{
    model::{
        container::{CgroupId, ContainerId},
        incident::Facts,
    },
    report::samples::{self, EPOCH},
};

/// One diagnosis of this container, seen so many times.
pub(super) fn sighting(container: &str, count: u64) -> Sighting {
    let mut conclusion = samples::finding();
    conclusion.container = ContainerId(container.into());
    container.clone_into(&mut conclusion.identity.name);
    let diagnosis = &mut conclusion.diagnoses[0];
    (diagnosis.container, diagnosis.count) = (conclusion.container.clone(), count);
    Sighting::new(&conclusion, &conclusion.diagnoses[0], Facts::default(), CgroupId(7), EPOCH, "1.2.3")
}

pub(super) fn with_summary(mut sighting: Sighting, summary: &str) -> Sighting {
    summary.clone_into(&mut sighting.told.diagnosis.summary);
    sighting
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];
/// No test waits for as long as an agent does.
const QUICK: Pace = Pace { gather: Duration::from_millis(10), pause: Duration::from_millis(20) };
const QUICK_RETRY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

fn settings(protocol: Protocol, endpoint: &str) -> Settings {
    let path = if protocol == Protocol::HttpProtobuf { "/v1/logs" } else { "" };
    Settings {
        endpoint: format!("{endpoint}{path}").parse().unwrap(),
        protocol,
        headers: HeaderMap::from_iter([(
            hyper::header::AUTHORIZATION,
            hyper::header::HeaderValue::from_static("Bearer geheim"),
        )]),
        timeout: Duration::from_secs(10),
        roots: Roots::none().unwrap(),
    }
}

fn start(settings: Settings) -> Exporter {
    Exporter::start_at(QUICK, QUICK_RETRY, settings, Own::default())
}

async fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
