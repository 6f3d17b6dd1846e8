//! Programs that the dynamic loader gives up, libraries that a running program cannot load, and what looks like both.

use crate::support::{Agent, Scene, play, scene};

const STATIC: &str = "/app/probe.static";
const GLIBC: &str = "/app/probe.glibc";
const MUSL: &str = "/app/probe.musl";
const OK: &[i32] = &[0];
const FAILED: &[i32] = &[1];
/// What the loaders exit with.
const GIVEN_UP: &[i32] = &[127];

#[test]
fn a_glibc_that_is_too_old_is_named_with_what_it_offers() {
    const ID: &str = "glibc-too-old";
    const OFFERS: &[&str] = &["GLIBC_2.34", "/app/probe.glibc cannot start", "libc.so.6 offers GLIBC_2."];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("old", "bullseye", &[GLIBC, "ok"], FAILED).fails(ID, OFFERS),
            scene("child", "bullseye", &[STATIC, "exec", GLIBC, "ok"], OK).fails(ID, OFFERS),
            scene("new-enough", "bookworm", &[GLIBC, "exit", "1"], FAILED),
            scene("static", "bullseye", &[STATIC, "exit", "1"], FAILED),
            scene("shell", "bullseye", &["/bin/sh", "-c", "exit 1"], FAILED),
            // musl ignores versions.
            scene("musl", "musl-compat", &[GLIBC, "exit", "1"], FAILED),
            scene("no-library", "bullseye", &["/app/probe.needfoo", "ok"], GIVEN_UP)
                .fails("missing-library", &["libfoo.so"]),
        ],
    );
}

#[test]
fn symbols_that_musl_lacks_are_named() {
    const ID: &str = "libc-mismatch";
    const FORT: &str = "/app/probe.fort";
    const SYMBOLS: &[&str] = &["/app/probe.fort cannot start", "built for glibc", "__fprintf_chk"];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("fort", "musl-compat", &[FORT, "ok"], GIVEN_UP).fails(ID, SYMBOLS),
            scene("fort-child", "musl-compat", &[STATIC, "exec", FORT, "ok"], OK).fails(ID, SYMBOLS),
            // An ordinary program of cgo works there.
            scene("compatible", "musl-compat", &[GLIBC, "ok"], OK),
            scene("own-127", "musl-compat", &[GLIBC, "exit", "127"], GIVEN_UP),
            scene("not-found", "musl-compat", &["/bin/sh", "-c", "nosuchcommand"], GIVEN_UP),
            scene("glibc", "bookworm", &[FORT, "ok"], OK),
            scene("no-library", "musl-compat", &["/app/probe.needfoo", "ok"], GIVEN_UP)
                .fails("missing-library", &["libfoo.so"]),
        ],
    );
}

#[test]
fn a_library_that_dlopen_cannot_load_is_named_or_what_it_needs() {
    const ID: &str = "dlopen-failed";
    const CHAIN: &[&str] = &[GLIBC, "dlopen-fallback", "libfoo.so.2", "libfoo.so.1", "libfoo.so"];
    let (whole, half) = (&["--env", "LD_LIBRARY_PATH=/libs"], &["--env", "LD_LIBRARY_PATH=/libs-nobar"]);
    let warns = |one: Scene, confidence: &'static str, says: &'static [&'static str]| {
        one.fails(ID, says).severity("warning").confidence(confidence)
    };
    let agent = Agent::start();
    play(
        &agent,
        vec![
            warns(
                scene("absent", "bookworm", &[GLIBC, "dlopen", "libfoo.so"], OK),
                "medium",
                &["could not load libfoo.so", "in no search path"],
            ),
            warns(
                scene("needs", "bookworm", &[GLIBC, "dlopen", "libfoo.so"], OK).with(half),
                "high",
                &["libbar.so", "/libs-nobar/libfoo.so needs"],
            ),
            warns(
                scene("musl-needs", "musl", &[MUSL, "dlopen", "libfoo.so"], OK).with(half),
                "high",
                &["libbar.so", "/libs-nobar/libfoo.so needs"],
            ),
            warns(
                scene("symbol", "bookworm", &[GLIBC, "dlopen", "/libs/libundef.so"], OK),
                "medium",
                &["/libs/libundef.so", "a symbol"],
            ),
            warns(scene("ends", "bookworm", CHAIN, FAILED), "high", &["libfoo.so", "exited with code 1"]),
            scene("loads", "bookworm", &[GLIBC, "dlopen", "libfoo.so"], OK).with(whole),
            // The last of the chain is there.
            scene("chain", "bookworm", CHAIN, OK).with(whole),
            scene("visited", "bookworm", &[STATIC, "serve"], OK)
                .visited(&[GLIBC, "dlopen", "libfoo.so"], 0)
                .stopped("10"),
        ],
    );
}
