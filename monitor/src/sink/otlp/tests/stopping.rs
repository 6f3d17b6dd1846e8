//! An agent that ends sends what waits, and does not wait for a receiver that does not answer.

use super::{
    receiver::{Answer, Receiver},
    *,
};

/// News wait for a minute, as in an agent.
fn start_slowly(settings: Settings) -> Exporter {
    let pace = Pace { pause: Duration::from_mins(1), ..QUICK };
    Exporter::start_at(pace, QUICK_RETRY, settings, Own::default())
}

#[tokio::test]
async fn what_waits_for_its_minute_is_sent_at_the_end() {
    for protocol in PROTOCOLS {
        let receiver = Receiver::start(protocol, &[]).await;
        let exporter = start_slowly(settings(protocol, &receiver.url()));
        let handle = exporter.handle();
        handle.take(&sighting("api", 1), Why::New);
        wait_for("the first record", || handle.tallies().accepted == 1).await;
        handle.take(&with_summary(sighting("api", 2), "the last word"), Why::Again);
        assert_eq!(exporter.finish(PATIENCE).await, 0);
        let summaries = receiver.summaries();
        assert_eq!(summaries.len(), 2, "{summaries:?}");
        assert!(summaries[1].contains("the last word"));
        assert_eq!(handle.tallies().unsent, 0);
    }
}

#[tokio::test]
async fn an_end_does_not_wait_for_a_receiver_and_counts_what_it_did_not_send() {
    for protocol in PROTOCOLS {
        for answers in [[Answer::Hang; 8], [Answer::Busy(Some(120)); 8]] {
            let receiver = Receiver::start(protocol, &answers).await;
            let exporter = start_slowly(settings(protocol, &receiver.url()));
            let handle = exporter.handle();
            handle.take(&sighting("api", 1), Why::New);
            handle.take(&sighting("web", 1), Why::New);
            wait_for("a try", || !receiver.tries().is_empty()).await;
            assert_eq!(exporter.finish(Duration::from_millis(300)).await, 2, "{protocol:?} {answers:?}");
            assert_eq!(handle.tallies().unsent, 2);
        }
    }
}
