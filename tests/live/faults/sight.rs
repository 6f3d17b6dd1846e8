//! The agent is ready when its own failing call has come back from the kernel, and that call is nobody's event.

use super::{broken, is_named};
use crate::support::{Agent, fence, wait_for};

#[test]
fn an_agent_is_ready_when_its_own_call_has_come_back() {
    // The third way, fexit, many kernels refuse; `cargo xtask vm` tries it where it is to be had.
    for way in ["tracepoint", "raw"] {
        let agent = Agent::start_with(&[("GOMON_HOOKS", way)]);
        let metrics = agent.metrics();
        let last = metrics.sum("gomon_self_test_last_success_timestamp_seconds", &[]);
        assert!(last.is_some_and(|at| at > 1e9), "{way}: {last:?}");
    }
}

#[test]
fn a_call_of_gomons_own_is_in_the_books_and_no_event_of_a_container() {
    let agent = Agent::start();
    fence(&agent);
    wait_for("the books to balance", || {
        let metrics = agent.metrics();
        let of = |result| {
            let labels = [("probe", "self_test"), ("result", result)];
            metrics.sum("gomon_bpf_events_total", &labels)
        };
        let (seen, submitted) = (of("seen")?, of("submitted")?);
        let received = metrics.sum("gomon_events_received_total", &[("probe", "self_test")])?;
        // The call without a path is a failing exec with EFAULT.
        let counted = metrics.sum("gomon_container_exec_failures_total", &[("errno", "EFAULT")]);
        assert_eq!(counted, None);
        (seen >= 1.0 && (seen - submitted).abs() < 0.5 && (seen - received).abs() < 0.5).then_some(())
    });
}

#[test]
fn an_agent_whose_calls_do_not_come_back_is_not_ready_and_says_why() {
    let (mut command, address, dir) = super::agent_line();
    command.env("GOMON_HOOKS_OFF", "open_and_exec");
    let agent = Agent::launch(command, address, dir);
    let (status, why) = wait_for("the agent to watch", || {
        agent.ask("/readyz").filter(|(_, why)| why.contains("open_and_exec"))
    });
    assert_eq!(status, 503, "{why}");
    assert!(why.contains("a failing call of gomon's own has not come back from the kernel yet"), "{why}");
    let metrics = agent.metrics();
    assert_eq!(metrics.sum("gomon_self_test_last_success_timestamp_seconds", &[]), Some(0.0));
    assert!(metrics.sum("gomon_self_test_failures_total", &[]).is_some());
    drop(agent);
    // The same machine without the fault.
    let agent = Agent::start();
    let container = broken("seen");
    container.run();
    is_named(&agent, &container);
}
