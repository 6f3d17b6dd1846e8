//! What a program file is made of: ELF, script, Go build information, shared libraries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{FileFact, Known};

/// What a regular file holds, as the kernel's binary formats see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Elf(Box<Elf>),
    Script(Script),
    Empty,
    /// A UTF-8 byte order mark stands before `#!`.
    ByteOrderMarkedScript,
    /// Neither ELF nor `#!`: the kernel answers ENOEXEC.
    Other {
        /// All printable text in the first 64 bytes.
        text: bool,
    },
}

/// An ELF file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elf {
    /// 32 or 64.
    pub class: u8,
    /// `e_machine`, elf(5).
    pub machine: u16,
    /// `e_type`, elf(5): 2 executable, 3 shared object or PIE.
    pub kind: u16,
    /// The last `PT_LOAD` ends behind the end of the file.
    pub truncated: bool,
    pub interpreter: Option<Interpreter>,
    /// `DT_NEEDED` in order.
    pub needed: Vec<String>,
    /// The transitive closure of `needed` over the container's search paths.
    pub libraries: Known<Libraries>,
    /// Symbol versions that the file wants (`SHT_GNU_verneed`).
    pub version_needs: Vec<VersionNeed>,
    pub go: Known<Option<GoBuild>>,
}

/// The file that `PT_INTERP` or a `#!` line names, as found in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    pub path: String,
    /// Its own `content` is looked at one level deep only.
    pub file: Box<Known<FileFact>>,
}

/// Versions of one library that an ELF file needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionNeed {
    pub library: String,
    /// For example `GLIBC_2.34`.
    pub versions: Vec<String>,
}

/// How the shared libraries of a program resolve inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Libraries {
    /// Resolved paths by name.
    pub found: BTreeMap<String, String>,
    pub missing: Vec<MissingLibrary>,
    /// Files of the right name that the loader passes over or fails on.
    pub rejected: Vec<RejectedLibrary>,
    /// Symbol versions that a found library does not define. glibc ends the program for each; musl ignores versions.
    pub unmet: Vec<UnmetVersion>,
    /// Symbols of a program that was linked against glibc and that musl loads, which neither musl nor a library defines;
    /// musl ends the program for each. At most 32, sorted. Empty also where a symbol table could not be read, a library is
    /// missing or others are preloaded: that there are none supports no claim.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<UnresolvedSymbol>,
}

/// A library that no search path has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingLibrary {
    pub name: String,
    /// The file whose `DT_NEEDED` names it.
    pub wanted_by: String,
    /// The directories that were searched, in order.
    pub searched: Vec<String>,
}

/// A file that has a wanted library's name and cannot be it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLibrary {
    pub name: String,
    pub path: String,
    /// Not ELF, another class or machine, not readable for the container's user, on a noexec mount.
    pub reason: String,
}

/// A symbol version that one file of a program needs and the library at hand lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmetVersion {
    /// For example `libc.so.6`.
    pub library: String,
    /// Where that library was found.
    pub path: String,
    /// For example `GLIBC_2.34`.
    pub version: String,
    /// The highest version of the same family that the library defines.
    pub highest_offered: Option<String>,
    /// The file that needs it: the program itself or one of its libraries.
    pub wanted_by: String,
}

/// A symbol that musl's loader cannot relocate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnresolvedSymbol {
    pub symbol: String,
    /// The file that refers to it.
    pub wanted_by: String,
}

/// The first line of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The interpreter as the kernel reads it: a trailing carriage return is part of the name.
    pub interpreter: Interpreter,
    /// The rest of the line.
    pub argument: Option<String>,
    /// The line ends in CR LF.
    pub crlf: bool,
    /// With `crlf`: the interpreter's path without the carriage return exists.
    pub exists_without_cr: bool,
}

/// Go's embedded build information, `go version -m`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GoBuild {
    /// For example `go1.27.3`.
    pub version: String,
    pub main_path: String,
    pub module: String,
    /// `CGO_ENABLED`, `GOOS`, `GOARCH`, `-ldflags`, `vcs.revision`, … as written.
    pub settings: BTreeMap<String, String>,
    /// Module paths of the dependencies.
    pub dependencies: Vec<String>,
}

impl GoBuild {
    /// Major and minor number of the Go release, such as 1 and 27 of `go1.27.3`; `None` where the version names none.
    #[must_use]
    pub fn release(&self) -> Option<(u32, u32)> {
        let version = self.version.split_ascii_whitespace().find_map(|word| word.strip_prefix("go"))?;
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// A module that it was built with.
    #[must_use]
    pub fn depends_on(&self, module: &str) -> bool {
        self.dependencies.iter().any(|dependency| dependency == module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_every_form_of_version() {
        let release = |version: &str| GoBuild { version: version.into(), ..GoBuild::default() }.release();
        assert_eq!(release("go1.27.3"), Some((1, 27)));
        assert_eq!(release("go1.21rc2"), Some((1, 21)));
        assert_eq!(release("go1.22.1 X:nocoverageredesign"), Some((1, 22)));
        assert_eq!(release("devel go1.26-7a1b2c3d Mon Jan 5"), Some((1, 26)));
        assert_eq!(release("devel +7a1b2c3d"), None);
        assert_eq!(release(""), None);
    }
}
