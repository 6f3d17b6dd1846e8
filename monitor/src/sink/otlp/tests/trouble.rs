//! A receiver that is busy, silent, broken or none at all: what is sent again, what is given up, and that it is counted.

use super::{
    receiver::{Answer, Receiver},
    *,
};
use crate::model::text::is_inert;

/// Sends one diagnosis to a receiver that answers so, waits until that is settled, and gives both out.
async fn sent(protocol: Protocol, answers: &[Answer], timeout: Duration) -> (Receiver, Exporter) {
    let receiver = Receiver::start(protocol, answers).await;
    let exporter = start(Settings { timeout, ..settings(protocol, &receiver.url()) });
    let handle = exporter.handle();
    handle.take(&sighting("api", 1), Why::New);
    wait_for("it to be settled", || handle.tallies().waiting == 0).await;
    (receiver, exporter)
}

fn counts(exporter: &Exporter) -> [u64; 6] {
    let Tallies { accepted, rejected, refused, exports, retries, refusals, .. } = exporter.handle().tallies();
    [accepted, rejected, refused, exports, retries, refusals]
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_record_arrives_with_its_headers_where_the_protocol_has_them() {
    for (protocol, path, kind) in [
        (Protocol::Grpc, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", "application/grpc"),
        (Protocol::HttpProtobuf, "/v1/logs", "application/x-protobuf"),
    ] {
        let (receiver, exporter) = sent(protocol, &[], LONG).await;
        assert_eq!(counts(&exporter), [1, 0, 0, 1, 0, 0]);
        assert!(exporter.handle().tallies().is_up);
        assert_eq!((receiver.path().as_str(), receiver.header("content-type").as_str()), (path, kind));
        assert_eq!(receiver.header("authorization"), "Bearer geheim");
        assert_eq!(receiver.header("user-agent"), concat!("gomon/", env!("CARGO_PKG_VERSION")));
        assert_eq!(receiver.records().len(), 1);
    }
}

#[tokio::test]
async fn a_busy_receiver_gets_it_later_and_not_before_it_said() {
    for protocol in PROTOCOLS {
        let (receiver, exporter) = sent(protocol, &[Answer::Busy(None), Answer::Busy(Some(1))], LONG).await;
        assert_eq!(counts(&exporter), [1, 0, 0, 1, 2, 0], "{protocol:?}");
        let tries = receiver.tries();
        assert!(tries[2] - tries[1] >= Duration::from_secs(1), "{protocol:?} {tries:?}");
        assert_eq!(receiver.records().len(), 1);
    }
}

#[tokio::test]
async fn one_that_hangs_or_breaks_off_gets_it_again() {
    for protocol in PROTOCOLS {
        for (answers, timeout) in [(Answer::Hang, SHORT), (Answer::Break, LONG)] {
            let (receiver, exporter) = sent(protocol, &[answers], timeout).await;
            assert_eq!(counts(&exporter), [1, 0, 0, 1, 1, 0], "{protocol:?} {answers:?}");
            assert_eq!(receiver.records().len(), 1);
        }
    }
}

#[tokio::test]
async fn what_would_be_refused_again_is_given_up_counted_and_holds_nothing_up() {
    for protocol in PROTOCOLS {
        for answer in [Answer::Refuse, Answer::Garbage, Answer::Endless] {
            let (receiver, exporter) = sent(protocol, &[answer], LONG).await;
            assert_eq!(counts(&exporter), [0, 0, 1, 0, 0, 1], "{protocol:?} {answer:?}");
            assert!(!exporter.handle().tallies().is_up);
            exporter.handle().take(&sighting("web", 1), Why::New);
            wait_for("the next record", || receiver.records().len() == 1).await;
            wait_for("its count", || counts(&exporter) == [1, 0, 1, 1, 0, 1]).await;
        }
    }
}

#[tokio::test]
async fn records_that_a_receiver_left_out_are_counted_and_not_sent_again() {
    for protocol in PROTOCOLS {
        let (receiver, exporter) = sent(protocol, &[Answer::Partial(1)], LONG).await;
        assert_eq!(counts(&exporter), [0, 1, 0, 1, 0, 0], "{protocol:?}");
        assert_eq!(receiver.tries().len(), 1);
        // No receiver can count more than it got.
        let (_receiver, exporter) = sent(protocol, &[Answer::Partial(i64::MAX)], LONG).await;
        assert_eq!(counts(&exporter), [0, 1, 0, 1, 0, 0], "{protocol:?}");
    }
}

#[tokio::test]
async fn nobody_is_there_yet_and_what_waits_comes_as_it_is_by_then() {
    for protocol in PROTOCOLS {
        let gone = Receiver::start(protocol, &[]).await;
        let address = gone.address;
        drop(gone);
        let exporter = start(settings(protocol, &format!("http://{address}")));
        let handle = exporter.handle();
        handle.take(&with_summary(sighting("api", 1), "first"), Why::New);
        wait_for("a try in vain", || handle.tallies().retries > 0).await;
        handle.take(&with_summary(sighting("api", 2), "second"), Why::Again);
        let receiver = Receiver::listen(protocol, address, &[], None).await;
        wait_for("it to arrive", || handle.tallies().waiting == 0).await;
        let summaries = receiver.summaries();
        assert!(summaries.last().unwrap().contains("second"), "{protocol:?} {summaries:?}");
        assert!(handle.tallies().is_up);
    }
}

#[tokio::test]
async fn a_receiver_of_the_other_protocol_is_told_as_trouble() {
    for (spoken, understood) in [PROTOCOLS, [PROTOCOLS[1], PROTOCOLS[0]]].map(|[a, b]| (a, b)) {
        let receiver = Receiver::start(understood, &[]).await;
        let exporter = start(settings(spoken, &receiver.url()));
        let handle = exporter.handle();
        handle.take(&sighting("api", 1), Why::New);
        wait_for("trouble", || handle.tallies().retries + handle.tallies().refusals > 0).await;
        assert!(!handle.tallies().is_up);
        assert_eq!(handle.tallies().accepted, 0);
    }
}

#[test]
fn a_message_of_a_receiver_steers_nothing() {
    let told = crate::model::text::inert_short("too old\u{1b}[2J", retry::MESSAGE_CHARS);
    assert!(is_inert(&told));
}
