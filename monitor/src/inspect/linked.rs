//! Looks which of a few telling packages a Go program contains: those of which it has functions. Reads the file once, in
//! pieces.

use std::collections::BTreeSet;

use super::{error_text, found::Lookup, pclntab, root::ContainerRoot};
use crate::model::fact::{Known, LINKED_PACKAGES};

/// Both packages register themselves in an `init` that every program importing them has. Text that only looks like the name of
/// a function does not count: the table of functions is the linker's.
pub(super) fn find(root: &ContainerRoot<'_>, path: &str) -> Known<BTreeSet<String>> {
    look(root, path).map_or_else(Known::Unknown, Known::Is)
}

fn look(root: &ContainerRoot<'_>, path: &str) -> Result<BTreeSet<String>, String> {
    let found = match root.look(path) {
        Ok(Lookup::Found(found)) => found,
        Ok(Lookup::Absent { missing }) => return Err(format!("there is no {missing}")),
        Err(error) => return Err(error_text(&error)),
    };
    let file = found.open().map_err(|error| error_text(&error))?;
    let mut packages = BTreeSet::new();
    let is_of = |name: &[u8], package: &str| {
        name.strip_prefix(package.as_bytes()).is_some_and(|rest| rest.starts_with(b"."))
    };
    let read = pclntab::names(&file, found.size_bytes, root.deadline, |name| {
        let package = LINKED_PACKAGES.into_iter().find(|package| is_of(name, package));
        packages.extend(package.map(str::to_owned));
    });
    read.map_err(|error| format!("{path}: {}", error_text(&error)))?;
    Ok(packages)
}

#[cfg(test)]
mod tests;
