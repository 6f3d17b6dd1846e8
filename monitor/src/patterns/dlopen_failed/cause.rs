//! Why a library could not be loaded, from the opens around the call and from the file that was found.

use crate::{
    case::{Case, DlopenSeen, LibrarySearch, Process},
    model::{
        diagnosis::Evidence,
        errno::Errno,
        fact::{Content, File},
        text::inert,
    },
    patterns::wording::{self, counted, files, kernel, machine},
};

/// The reason, ordered by how much it tells.
pub(super) enum Cause<'a> {
    /// No open of that name was seen: it has no ending that gomon knows, or the opens were lost.
    Unseen,
    /// The file was opened and nothing failed after it: a symbol, or a version of one, is missing.
    Undefined { path: &'a str },
    /// No search path has it.
    Absent { search: &'a LibrarySearch },
    /// It is there and may not be opened.
    Refused { path: &'a str, errno: Errno },
    /// It is there and cannot be a library of this program.
    Unusable { path: &'a str, why: String },
    /// The file was opened, and a library that it needs is in no search path.
    Dependency { path: &'a str, name: &'a str, search: &'a LibrarySearch },
}

impl<'a> Cause<'a> {
    pub(super) fn of(case: &'a Case, process: &'a Process, failed: &DlopenSeen) -> Self {
        let own_name = file_name(&failed.name);
        let Some(own) = process.libraries.get(own_name) else { return Self::Unseen };
        let Some(path) = own.opened.as_deref().filter(|_| own.last_at <= failed.last_at) else {
            return match &own.refused {
                Some((path, errno)) => Self::Refused { path, errno: *errno },
                None => Self::Absent { search: own },
            };
        };
        let is_of_this_load =
            |search: &LibrarySearch| own.last_at <= search.last_at && search.last_at <= failed.last_at;
        let dependency = process
            .libraries
            .iter()
            .filter(|(name, search)| *name != own_name && search.opened.is_none() && is_of_this_load(search))
            .max_by_key(|(_, search)| search.last_at);
        if let Some((name, search)) = dependency {
            return Self::Dependency { path, name, search };
        }
        let file = case.file(path).and_then(|file| file.present());
        match file.and_then(|file| unusable(case, file)) {
            Some(why) => Self::Unusable { path, why },
            None => Self::Undefined { path },
        }
    }

    /// How much it tells.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Unseen => 0,
            Self::Undefined { .. } => 1,
            Self::Absent { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Unusable { .. } => 4,
            Self::Dependency { .. } => 5,
        }
    }

    /// A file is there that was meant to be loaded: not a mere probe.
    pub(super) fn has_file(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unusable { .. } | Self::Dependency { .. } => true,
            Self::Unseen | Self::Undefined { .. } | Self::Absent { .. } => false,
        }
    }

    /// The library to look after, inert.
    pub(super) fn subject(&self, asked: &str) -> String {
        match self {
            Self::Dependency { name, .. } => inert(name).into_owned(),
            Self::Unseen
            | Self::Undefined { .. }
            | Self::Absent { .. }
            | Self::Refused { .. }
            | Self::Unusable { .. } => inert(file_name(asked)).into_owned(),
        }
    }

    pub(super) fn says(&self, asked: &str) -> String {
        match self {
            Self::Unseen => "the loader says why only to the program (dlerror)".to_owned(),
            Self::Undefined { path } => {
                let which = if *path == asked { "it".into() } else { inert(path) };
                format!("{which} was found and opened, and a symbol or a version that it needs is missing")
            }
            Self::Absent { .. } if asked.contains('/') => "there is no such file".to_owned(),
            Self::Absent { .. } => "it is in no search path".to_owned(),
            Self::Refused { path, errno } => format!("{} cannot be opened ({errno})", inert(path)),
            Self::Unusable { path, why } => format!("{} {why}", inert(path)),
            Self::Dependency { path, name, .. } => {
                format!("{}, which {} needs, is in no search path", inert(name), inert(path))
            }
        }
    }

    pub(super) fn evidence(&self, case: &Case, failed: &DlopenSeen) -> Vec<Evidence> {
        let opened = |path: &str| kernel(failed.at, format!("{} was found and opened", inert(path)));
        match self {
            Self::Unseen => Vec::new(),
            Self::Undefined { path } => vec![opened(path)],
            Self::Absent { search } => vec![tried(search, file_name(&failed.name))],
            Self::Refused { path, errno } => {
                vec![kernel(failed.at, format!("open(\"{}\") failed with {errno}", inert(path)))]
            }
            Self::Unusable { path, why } => {
                vec![opened(path), files(format!("{} {why}", inert(path)))]
            }
            Self::Dependency { path, name, search } => {
                let mut all = vec![opened(path), tried(search, name)];
                let elf = case.file(path).and_then(|file| file.present()?.elf());
                let lists = elf.is_some_and(|elf| elf.needed.iter().any(|needed| needed == name));
                let fact = format!("{} needs {} (DT_NEEDED)", inert(path), inert(name));
                all.extend(lists.then(|| files(fact)));
                all
            }
        }
    }

    /// A change that can be pasted.
    pub(super) fn remedy(&self, case: &Case, asked: &str) -> String {
        let library = |name: &str| {
            let name = inert(name);
            format!(
                "{}\n# or copy the file from where the library was built\n\
                 COPY --from=build /usr/lib/{name} /usr/lib/{name}",
                wording::install(&case.libc, &format!("<the package that has {name}>"))
            )
        };
        match self {
            Self::Dependency { name, .. } => library(name),
            Self::Absent { .. } if asked.starts_with('/') => {
                let path = inert(asked);
                format!("COPY --from=build {path} {path}")
            }
            Self::Absent { .. } => library(file_name(asked)),
            Self::Refused { path, .. } => format!("RUN chmod a+r {}", inert(path)),
            Self::Unusable { path, .. } => format!(
                "# put a library there that is built for this architecture\nCOPY --from=build {path} {path}",
                path = inert(path)
            ),
            Self::Undefined { .. } | Self::Unseen => {
                "# let the loader say which symbol is missing (glibc), or log what \
                dlerror() returns\ndocker run -e LD_DEBUG=libs,symbols …"
                    .to_owned()
            }
        }
    }
}

fn tried(search: &LibrarySearch, name: &str) -> Evidence {
    let paths = counted(search.failed, "path was", "paths were");
    kernel(search.first_at, format!("{paths} tried for {}, in vain", inert(name)))
}

/// Why no program of this host can load the file.
fn unusable(case: &Case, file: &File) -> Option<String> {
    match file.content.get()? {
        Content::Elf(elf) if elf.truncated => Some("is cut off".to_owned()),
        Content::Elf(elf) if case.host.machine != 0 && elf.machine != case.host.machine => Some(format!(
            "is built for {}, this host is {}",
            machine(elf.machine),
            machine(case.host.machine)
        )),
        Content::Elf(_) => None,
        Content::Empty => Some("is an empty file".to_owned()),
        Content::Script(_) | Content::ByteOrderMarkedScript | Content::Other { .. } => {
            Some("is not an ELF file".to_owned())
        }
    }
}

/// The last component of what dlopen was given.
pub(super) fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// What the candidates for one library have in common: `libfoo` of `/opt/libfoo.so.2`.
pub(super) fn stem(name: &str) -> &str {
    let name = file_name(name);
    let end = name.find(".so").filter(|end| {
        let rest = name.get(end + 3..).unwrap_or_default();
        rest.is_empty() || rest.starts_with('.')
    });
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_for_one_library_share_their_stem() {
        for name in ["libfoo.so", "libfoo.so.2", "/opt/lib/libfoo.so.2.1"] {
            assert_eq!(stem(name), "libfoo");
        }
        assert_eq!(stem("libfoo.so-old"), "libfoo.so-old");
        assert_eq!(stem("plugin"), "plugin");
    }
}
