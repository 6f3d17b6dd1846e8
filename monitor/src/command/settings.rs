//! What a command line and a configuration mean for a command: the agent's settings, the log.

use std::{
    env,
    io::{self, IsTerminal},
};

use anstream::ColorChoice;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    exit::{Exit, Failure, OrExit},
    log as lines,
};
use crate::{
    cli::{Color, Global, args::AgentArgs},
    config::{Config, LogFormat, LogLevel, otlp},
};

/// The agent's configuration; what is wrong with it ends in [`Exit::Usage`].
pub fn agent(args: &AgentArgs, global: Global) -> Result<Config, Failure> {
    let mut flags = args.layer(global.quiet, global.verbose);
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if flags.otlp_headers.is_none() {
        flags.otlp_headers = variable(otlp::HEADERS).map(otlp::HeaderSource::given);
    }
    Config::load(args.config.as_deref(), flags, otlp::standard(variable)).or_exit(Exit::Usage)
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

/// The log while gomon runs.
pub struct Log(Box<dyn Fn(LogFormat, LogLevel) + Send + Sync>);

impl Log {
    /// From now on it has this form and this level.
    pub fn set(&self, format: LogFormat, level: LogLevel) {
        (self.0)(format, level);
    }
}

/// Sends the log as text to standard error, as JSON to standard output, where a container's log is expected. Call it once.
pub fn log(format: LogFormat, level: LogLevel, color: Color) -> Log {
    let ansi = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let stderr = io::stderr();
            stderr.is_terminal() && anstream::AutoStream::choice(&stderr) != ColorChoice::Never
        }
    };
    // A layer for each form: the one that is not wanted lets nothing pass.
    let of = |form, format, level| if form == format { passes(level) } else { Targets::new() };
    let (as_text, text) = reload::Layer::new(of(LogFormat::Text, format, level));
    let (as_json, json) = reload::Layer::new(of(LogFormat::Json, format, level));
    let registry = tracing_subscriber::registry()
        .with(lines::layer(LogFormat::Text, ansi, io::stderr).with_filter(as_text))
        .with(lines::layer(LogFormat::Json, ansi, io::stdout).with_filter(as_json));
    // A second call would find a log already set up, and leave it.
    let _ = registry.try_init();
    Log(Box::new(move |format, level| {
        // An error means that the log is gone, and nobody reads it.
        let _ = text.reload(of(LogFormat::Text, format, level));
        let _ = json.reload(of(LogFormat::Json, format, level));
    }))
}

/// What a level lets pass. What libraries tell of their inner work is for those who ask for everything. The kernel programs'
/// own messages carry the name of their object.
fn passes(level: LogLevel) -> Targets {
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = if level == LogLevel::Trace { LevelFilter::TRACE } else { filter.min(LevelFilter::WARN) };
    // Tells every failing call; gomon tells a failure once.
    let kube = if level == LogLevel::Trace { LevelFilter::TRACE } else { LevelFilter::OFF };
    Targets::new()
        .with_target("kube_client", kube)
        .with_default(others)
        .with_target("gomon", filter)
        .with_target("gomon_ebpf", filter)
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
