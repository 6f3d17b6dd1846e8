//! What a command line and a configuration mean for a command: the agent's settings, the log.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    exit::{Exit, Failure, OrExit},
    log as lines,
};
use crate::{
    cli::{Color, Global, args::AgentArgs},
    config::{Config, LogFormat, LogLevel},
};

/// The agent's configuration; what is wrong with it ends in [`Exit::Usage`].
pub fn agent(args: &AgentArgs, global: Global) -> Result<Config, Failure> {
    let flags = args.layer(global.quiet, global.verbose);
    Config::load(args.config.as_deref(), flags).or_exit(Exit::Usage)
}

/// The level of a command that runs for a person: warnings, unless `-q` or `-v` says otherwise.
#[must_use]
pub fn level(global: Global) -> LogLevel {
    match (global.quiet, global.verbose) {
        (true, _) => LogLevel::Error,
        (false, 0) => LogLevel::Warn,
        (false, 1) => LogLevel::Info,
        (false, 2) => LogLevel::Debug,
        (false, 3..) => LogLevel::Trace,
    }
}

/// Sends the log to standard error. Call it once.
pub fn log(format: LogFormat, level: LogLevel, color: Color) {
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ansi = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let stderr = io::stderr();
            stderr.is_terminal() && anstream::AutoStream::choice(&stderr) != ColorChoice::Never
        }
    };
    let lines = lines::layer(format, ansi, io::stderr);
    // What libraries tell of their inner work is for those who ask for everything. The kernel programs' own messages
    // carry the name of their object.
    let others = if level == LogLevel::Trace { LevelFilter::TRACE } else { filter.min(LevelFilter::WARN) };
    let wanted =
        Targets::new().with_default(others).with_target("gomon", filter).with_target("gomon_ebpf", filter);
    // A second call would find a log already set up, and leave it.
    let _ = tracing_subscriber::registry().with(lines.with_filter(wanted)).try_init();
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Agent {
        #[command(flatten)]
        global: Global,
        #[command(flatten)]
        args: AgentArgs,
    }

    fn settled(line: &[&str]) -> Result<Config, Failure> {
        let agent_line = Agent::try_parse_from(std::iter::once("agent").chain(line.iter().copied())).unwrap();
        agent(&agent_line.args, agent_line.global)
    }

    #[test]
    fn an_unknown_key_ends_in_the_exit_code_of_wrong_usage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gomon.yaml");
        std::fs::write(&path, "sockett: /a\n").unwrap();
        let failure = settled(&["--config", path.to_str().unwrap()]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("did you mean \"socket\"?"), "{failure}");
    }

    #[test]
    fn a_flag_outweighs_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gomon.yaml");
        std::fs::write(&path, "listen: 127.0.0.1:1\nlog_level: error\n").unwrap();
        let config = settled(&["--config", path.to_str().unwrap(), "--listen", "127.0.0.1:2", "-v"]).unwrap();
        assert_eq!((config.listen.as_str(), config.log_level), ("127.0.0.1:2", LogLevel::Debug));
    }
}
