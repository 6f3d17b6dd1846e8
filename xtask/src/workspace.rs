//! What cargo knows about this workspace: where it builds to, and which integration tests `monitor` has.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;

/// The test target that needs root, a kernel and containers.
const LIVE: &str = "live";

/// The workspace of this checkout.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) target_directory: PathBuf,
    tests: Vec<String>,
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        Self::parse(&command::output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?)
    }

    fn parse(metadata: &str) -> Result<Self> {
        let Metadata { target_directory, packages } =
            serde_json::from_str(metadata).context("cargo metadata is not as expected")?;
        let monitor = packages.into_iter().find(|package| package.name == "monitor");
        let targets = monitor.context("the workspace has no package monitor")?.targets;
        let tests = targets.into_iter().filter(|target| target.kind.iter().any(|kind| kind == "test"));
        Ok(Self { target_directory, tests: tests.map(|target| target.name).collect() })
    }

    /// The tests that need no privileges.
    pub(crate) fn ordinary_tests(&self) -> Vec<&str> {
        self.tests.iter().map(String::as_str).filter(|name| *name != LIVE).collect()
    }

    pub(crate) fn has_live_tests(&self) -> bool {
        self.tests.iter().any(|name| name == LIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_tests_are_told_from_the_others() {
        let text = r#"{"target_directory":"/t","packages":[
            {"name":"xtask","targets":[{"name":"other","kind":["test"]}]},
            {"name":"monitor","targets":[
                {"name":"gomon","kind":["lib"]}, {"name":"gomon","kind":["bin"]},
                {"name":"tidy","kind":["test"]}, {"name":"live","kind":["test"]}]}]}"#;
        let workspace = Workspace::parse(text).unwrap();
        assert_eq!(workspace.ordinary_tests(), ["tidy"]);
        assert!(workspace.has_live_tests());
    }

    #[test]
    fn a_workspace_without_the_package_is_an_error() {
        assert!(Workspace::parse(r#"{"target_directory":"/t","packages":[]}"#).is_err());
    }
}
