//! Which failing loads matter, and what is named.

use monitor_common::path::PathClass;

use crate::{
    model::{
        diagnosis::{Confidence, Severity},
        errno::Errno,
        event::EventKind,
        fact::Config,
    },
    patterns::testing::{Found, Story},
};

fn go() -> Story {
    Story::of(Config::default(), true)
}

fn searched(story: Story, paths: &[&str]) -> Story {
    paths.iter().fold(story, |story, path| story.opens(path, PathClass::SharedLibrary, Err(Errno::ENOENT), 0))
}

fn opened(story: Story, path: &str) -> Story {
    story.opens(path, PathClass::SharedLibrary, Ok(3), 0)
}

fn fails(story: Story, name: &str, flags: u32) -> Story {
    story.happens(EventKind::DlopenFailed { name: name.into(), flags })
}

fn only(found: &[Found]) -> (Severity, Confidence, &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "dlopen-failed");
    (found[0].1, found[0].2, &found[0].3)
}

#[test]
fn a_library_that_is_nowhere_may_matter() {
    let story = fails(searched(go(), &["/lib/libfoo.so", "/usr/lib/libfoo.so"]), "libfoo.so", 1);
    assert_eq!(only(&story.found()), (Severity::Warning, Confidence::Medium, "libfoo.so"));
}

#[test]
fn the_dependency_that_is_missing_is_named_in_the_librarys_stead() {
    let story = searched(opened(go(), "/libs/libfoo.so"), &["/lib/libbar.so", "/usr/lib/libbar.so"]);
    let found = fails(story, "libfoo.so", 1).found();
    assert_eq!(only(&found), (Severity::Warning, Confidence::High, "libbar.so"));
}

#[test]
fn a_library_of_an_earlier_load_is_not_blamed_for_a_later_one() {
    let story = fails(searched(go(), &["/lib/libold.so"]), "libold.so", 1);
    let found = fails(opened(story, "/libs/libfoo.so"), "/libs/libfoo.so", 1).found();
    let subjects: Vec<_> = found.iter().map(|one| one.3.as_str()).collect();
    assert_eq!(subjects, ["libold.so", "libfoo.so"]);
}

#[test]
fn a_chain_of_candidates_that_ends_well_is_a_remark() {
    let story = fails(searched(go(), &["/lib/libfoo.so.2"]), "libfoo.so.2", 1);
    let story = fails(searched(story, &["/lib/libfoo.so.1"]), "libfoo.so.1", 1);
    assert_eq!(only(&opened(story, "/lib/libfoo.so").waits(2000).found()).0, Severity::Info);
}

#[test]
fn a_second_try_that_fails_again_is_no_chain_that_ended_well() {
    let load = |story| fails(searched(opened(story, "/libs/libfoo.so"), &["/lib/libbar.so"]), "libfoo.so", 1);
    assert_eq!(only(&load(load(go()).waits(500)).found()).0, Severity::Warning);
}

#[test]
fn a_question_whether_it_is_loaded_is_no_failure() {
    const RTLD_NOLOAD: u32 = 4;
    assert!(fails(go(), "libfoo.so", RTLD_NOLOAD | 1).found().is_empty());
}

#[test]
fn what_is_not_go_and_goes_on_is_a_remark() {
    let python = || fails(searched(Story::of(Config::default(), false), &["/lib/libfoo.so"]), "libfoo.so", 1);
    assert_eq!(only(&python().found()).0, Severity::Info);
    assert_eq!(only(&python().exits(1).found()).0, Severity::Warning);
}
