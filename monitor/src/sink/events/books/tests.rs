//! The rules of the books, by values.

use super::*;
use crate::{
    model::{container::Identity, time::SECOND},
    report::samples,
    sink::events::testing::{identity, named, seen},
};

const MINUTE: Duration = Duration::from_mins(1);
const START: Duration = Duration::from_hours(100);
const PLENTY: u32 = 1_000_000;

/// Everything that is written at `now`, each as `create COUNT` or `patch COUNT`.
fn written(books: &mut Books, now: Duration) -> Vec<String> {
    let mut done = Vec::new();
    loop {
        let (what, draft) = match books.next(now) {
            Next::Create(draft) => ("create", draft),
            Next::Patch(draft) => ("patch", draft),
            Next::At(_) | Next::Nothing => return done,
        };
        books.written(now, &draft);
        done.push(format!("{what} {}", draft.count));
    }
}

#[test]
fn the_first_occurrence_makes_an_event_and_a_repeat_patches_it_when_the_window_is_over() {
    let mut books = Books::new(PLENTY);
    assert!(books.see(START, &seen("a", "p", 1)));
    assert_eq!(written(&mut books, START), ["create 1"]);
    assert_eq!(books.next(START), Next::Nothing);
    for count in 2..=40 {
        books.see(START + MINUTE, &seen("a", "p", count));
    }
    assert_eq!(books.next(START + MINUTE), Next::At(START + WINDOW));
    assert_eq!(written(&mut books, START + WINDOW), ["patch 40"]);
    assert_eq!(books.waiting(), 0);
}

#[test]
fn a_container_that_restarts_under_a_new_id_goes_on_with_its_series() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    assert_eq!(written(&mut books, START), ["create 1"]);
    books.see(START + MINUTE, &seen("b", "p", 1));
    books.see(START + MINUTE, &seen("c", "p", 1));
    assert_eq!(written(&mut books, START + WINDOW), ["patch 3"]);
}

#[test]
fn the_same_occurrence_told_again_is_no_news() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 2));
    assert_eq!(written(&mut books, START), ["create 2"]);
    for count in [1, 2, 2] {
        books.see(START + MINUTE, &seen("a", "p", count));
    }
    assert_eq!(books.next(START + WINDOW), Next::Nothing);
}

#[test]
fn each_pattern_and_each_container_has_an_event_of_its_own() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    books.see(START, &seen("a", "q", 1));
    books.see(START, &named(&Identity { name: "side".to_owned(), ..identity() }, "b", "p", 1));
    assert_eq!(written(&mut books, START).len(), 3);
}

#[test]
fn remarks_and_containers_of_no_pod_make_none_until_their_names_come() {
    let mut books = Books::new(PLENTY);
    let mut remark = seen("a", "p", 1);
    remark.told.diagnosis.severity = Severity::Info;
    assert!(books.see(START, &remark));
    let nameless = Identity { pod: String::new(), pod_uid: String::new(), ..identity() };
    assert!(books.see(START, &named(&nameless, "a", "p", 1)));
    assert_eq!(books.next(START), Next::Nothing);
    books.see(START + MINUTE, &seen("a", "p", 1));
    assert_eq!(written(&mut books, START + MINUTE), ["create 1"]);
}

#[test]
fn beyond_the_budget_events_wait_and_are_told_one_after_the_other() {
    let mut books = Books::new(6);
    for pattern in 0..10 {
        books.see(START, &seen("a", &format!("p{pattern}"), 1));
    }
    assert_eq!(written(&mut books, START).len(), 6);
    assert_eq!(books.waiting(), 4);
    assert_eq!(books.next(START), Next::At(START + Duration::from_secs(10)));
    books.see(START + MINUTE, &seen("a", "p9", 5));
    let later = written(&mut books, START + MINUTE);
    assert_eq!(later, ["create 1", "create 1", "create 1", "create 5"]);
}

#[test]
fn what_the_api_refuses_is_not_tried_again_before_the_window_is_over() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    let Next::Create(draft) = books.next(START) else { panic!("no event") };
    books.put_off(START, &draft);
    books.see(START + MINUTE, &seen("a", "p", 2));
    assert_eq!(books.next(START + MINUTE), Next::At(START + WINDOW));
    assert_eq!(written(&mut books, START + WINDOW), ["create 2"]);
}

#[test]
fn an_event_that_the_api_forgot_is_made_anew_of_what_is_not_told_yet() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 3));
    assert_eq!(written(&mut books, START), ["create 3"]);
    books.see(START + WINDOW, &seen("a", "p", 5));
    let Next::Patch(draft) = books.next(START + WINDOW) else { panic!("no patch") };
    books.gone(&draft);
    let Next::Create(draft) = books.next(START + WINDOW) else { panic!("no event") };
    assert_eq!((draft.count, draft.first), (2, draft.last));
}

#[test]
fn an_event_of_an_earlier_agent_goes_on() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    let Next::Create(draft) = books.next(START) else { panic!("no event") };
    books.adopt(&draft, 7);
    assert_eq!(written(&mut books, START), ["patch 8"]);
}

#[test]
fn what_comes_while_a_write_is_under_way_is_told_with_the_next_one() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    let Next::Create(draft) = books.next(START) else { panic!("no event") };
    books.see(START, &seen("a", "p", 4));
    books.written(START, &draft);
    assert_eq!(books.waiting(), 1);
    assert_eq!(written(&mut books, START + WINDOW), ["patch 4"]);
}

#[test]
fn an_event_tells_when_it_began_and_says_the_latest_before_it_is_written() {
    let mut books = Books::new(PLENTY);
    books.see(START, &seen("a", "p", 1));
    let mut better = seen("a", "p", 3);
    better.told.diagnosis.summary = "known better now".to_owned();
    books.see(START, &better);
    let Next::Create(draft) = books.next(START) else { panic!("no event") };
    let since = |seconds| BootNs(u64::try_from(samples::EPOCH.0).unwrap() + seconds * SECOND);
    assert_eq!((draft.first, draft.last, draft.count), (since(1), since(3), 3));
    assert!(draft.note.starts_with("known better now"), "{}", draft.note);
}

#[test]
fn a_full_book_forgets_what_is_told_and_takes_nothing_where_all_wait() {
    let mut books = Books::new(PLENTY);
    let full: Vec<String> = (0..MAX_SERIES).map(|number| format!("p{number}")).collect();
    for pattern in &full {
        assert!(books.see(START, &seen("a", pattern, 1)));
    }
    assert!(!books.see(START, &seen("a", "one-more", 1)));
    // What it knows it still counts.
    assert!(books.see(START, &seen("a", "p0", 2)));
    written(&mut books, START);
    assert!(!books.see(START + MINUTE, &seen("a", "one-more", 1)), "their windows are not over");
    assert!(books.see(START + WINDOW, &seen("a", "one-more", 1)));
    assert!(books.series.len() <= MAX_SERIES);
}

#[test]
fn the_counts_of_many_restarts_take_no_more_room() {
    let mut books = Books::new(PLENTY);
    for restart in 0..100 {
        books.see(START, &seen(&format!("{restart}"), "p", 1));
    }
    let series = books.series.values().next().unwrap();
    assert_eq!((series.ledgers.len(), series.seen), (MAX_LEDGERS, 100));
}
