//! The closure of a program's `DT_NEEDED` inside the container, found the way its own loader would find it.
//! Says "missing" only where every place that the loader asks could be looked into.

use std::{collections::BTreeMap, path::Path};

use super::{
    elf::{Depth, Image},
    error_text,
    found::{Found, Lookup, lossy},
    loader::{Flavour, Loader, Requester},
    relocation,
    root::ContainerRoot,
    versions,
};
use crate::model::{
    access::READ,
    fact::{File, FileFact, FileKind, Interpreter, Known, Libraries, MissingLibrary, RejectedLibrary},
};

const LIBRARY_LIMIT: usize = 256;

/// A file of the program.
pub(super) struct Object {
    /// Where it was found, without its own symbolic links resolved.
    pub(super) path: String,
    origin: String,
    /// The name it was asked for by; empty for the program.
    pub(super) name: String,
    pub(super) image: Box<Image>,
    /// Which object needed it first; the program needs itself.
    parent: usize,
}

enum Candidate {
    Usable(Box<Image>),
    /// The loader goes on to the next directory.
    Passed(Option<String>),
    /// The loader gives up.
    Broken(String),
    Unknown(String),
}

enum Outcome {
    Found { path: String, image: Box<Image> },
    Missing { searched: Vec<String> },
    Unknown(String),
}

/// All libraries of `program`, which lies at `file`.
pub(super) fn closure(
    root: &ContainerRoot<'_>,
    program: &Image,
    file: &File,
    interpreter: Option<&Interpreter>,
) -> Known<Libraries> {
    if program.dynamic_unreadable {
        return Known::unknown("what it needs cannot be read");
    }
    let Some(interpreter) = interpreter else { return Known::Is(Libraries::default()) };
    let loader_file = match interpreter.file.get() {
        Some(FileFact::Present(loader_file)) => loader_file,
        Some(FileFact::Absent { .. }) => return Known::unknown(format!("there is no {}", interpreter.path)),
        None => return Known::unknown(format!("nobody knows whether {} is there", interpreter.path)),
    };
    let library_path = if is_secure(root, file) { "" } else { root.library_path.as_str() };
    let loader = Loader::new(root, program, &loader_file.resolved, library_path);
    let first = Object {
        path: file.resolved.clone(),
        origin: parent_of(&file.resolved),
        name: String::new(),
        image: Box::new(program.clone()),
        parent: 0,
    };
    Closure { root, loader, objects: vec![first], result: Libraries::default() }.run()
}

/// The kernel sets `AT_SECURE` where the file changes the credentials: loaders then ignore `LD_LIBRARY_PATH`.
fn is_secure(root: &ContainerRoot<'_>, file: &File) -> bool {
    let user = &root.user;
    let set_uid = file.mode & 0o4000 != 0 && file.uid != user.uid;
    let set_gid = file.mode & 0o2010 == 0o2010 && file.gid != user.gid;
    !root.no_new_privileges && (set_uid || set_gid || (file.capabilities.is_some() && user.uid != 0))
}

struct Closure<'r, 'h> {
    root: &'r ContainerRoot<'h>,
    loader: Loader<'r, 'h>,
    objects: Vec<Object>,
    result: Libraries,
}

impl Closure<'_, '_> {
    /// Breadth first, as loaders do.
    fn run(mut self) -> Known<Libraries> {
        let mut next = 0;
        while let Some(object) = self.objects.get(next) {
            let needed = object.image.needed.clone();
            let wanted_by = object.path.clone();
            for name in needed.into_iter().take(LIBRARY_LIMIT) {
                if self.is_settled(&name) {
                    continue;
                }
                if self.objects.len() >= LIBRARY_LIMIT {
                    return Known::unknown(format!("more than {LIBRARY_LIMIT} libraries"));
                }
                match self.resolve(&name, next) {
                    Outcome::Found { path, image } => {
                        self.result.found.insert(name.clone(), path.clone());
                        let origin = parent_of(&path);
                        self.objects.push(Object { path, origin, name, image, parent: next });
                    }
                    Outcome::Missing { .. } if self.result.missing.len() >= LIBRARY_LIMIT => {
                        return Known::unknown(format!("more than {LIBRARY_LIMIT} libraries are missing"));
                    }
                    Outcome::Missing { searched } => {
                        let wanted_by = wanted_by.clone();
                        self.result.missing.push(MissingLibrary { name, wanted_by, searched });
                    }
                    Outcome::Unknown(reason) => return Known::Unknown(reason),
                }
            }
            next = next.saturating_add(1);
        }
        match self.loader.flavour {
            Flavour::Glibc => self.result.unmet = versions::unmet(&self.objects),
            // Nobody knows what a library that is missing would have defined.
            Flavour::Musl(_) if self.result.missing.is_empty() => {
                self.result.unresolved = relocation::unresolved(self.root, &self.objects, &self.loader.path);
            }
            Flavour::Musl(_) => {}
        }
        Known::Is(self.result)
    }

    /// Loaded under this name or soname, provided by the loader, or already known to be missing.
    fn is_settled(&self, name: &str) -> bool {
        self.loader.provides(name)
            || self.objects.iter().any(|o| o.name == name || o.image.soname.as_deref() == Some(name))
            || self.result.missing.iter().any(|missing| missing.name == name)
    }

    fn resolve(&mut self, name: &str, wanted_by: usize) -> Outcome {
        let search = self.loader.search(name, &self.chain(wanted_by));
        let Some(program) = self.objects.first() else { return Outcome::Unknown(String::new()) };
        let (class, machine) = (program.image.class, program.image.machine);
        for path in search.candidates {
            let (reason, broken) = match self.try_candidate(&path, class, machine) {
                Candidate::Usable(image) => return Outcome::Found { path, image },
                Candidate::Unknown(reason) => return Outcome::Unknown(reason),
                Candidate::Passed(None) => continue,
                Candidate::Passed(Some(reason)) => (reason, false),
                Candidate::Broken(reason) => (reason, true),
            };
            self.result.rejected.push(RejectedLibrary { name: name.to_owned(), path, reason });
            if broken {
                break;
            }
        }
        match search.unknown {
            Some(directory) => Outcome::Unknown(format!("gomon did not look into {directory}")),
            None => Outcome::Missing { searched: search.directories },
        }
    }

    fn chain(&self, from: usize) -> Vec<Requester<'_>> {
        let mut chain = Vec::new();
        let mut at = from;
        while let Some(object) = self.objects.get(at) {
            chain.push(Requester { origin: &object.origin, image: &object.image });
            if object.parent >= at {
                break;
            }
            at = object.parent;
        }
        chain
    }

    fn try_candidate(&self, path: &str, class: u8, machine: u16) -> Candidate {
        let found = match self.root.look(path) {
            Ok(Lookup::Found(found)) => found,
            Ok(Lookup::Absent { .. }) => return Candidate::Passed(None),
            Err(error) => return Candidate::Unknown(error_text(&error)),
        };
        if let Some((directory, _)) = &found.closed_directory {
            return Candidate::Passed(Some(format!("the container's user may not search {directory}")));
        }
        if !found.lets(&self.root.user, READ) {
            return Candidate::Passed(Some("the container's user may not read it".to_owned()));
        }
        if let Some(mount) = &found.noexec_mount {
            return Candidate::Broken(format!("it lies on the noexec mount {mount}"));
        }
        self.load(&found, class, machine)
    }

    fn load(&self, found: &Found, class: u8, machine: u16) -> Candidate {
        if found.kind != FileKind::Regular {
            return Candidate::Broken("it is not a regular file".to_owned());
        }
        let file = match found.open() {
            Ok(file) => file,
            Err(error) => return Candidate::Unknown(error_text(&error)),
        };
        let mut magic = [0; 4];
        let is_elf = std::os::unix::fs::FileExt::read_exact_at(&file, &mut magic, 0).is_ok();
        if !is_elf || magic != *b"\x7fELF" {
            return Candidate::Broken("it is not an ELF file".to_owned());
        }
        let image = match self.root.images().read(file, found.size_bytes, Depth::Linking) {
            Ok(image) => image,
            Err(error) => return Candidate::Broken(error_text(&error)),
        };
        if image.truncated {
            return Candidate::Broken("it is truncated".to_owned());
        }
        if image.dynamic_unreadable {
            return Candidate::Unknown(format!("what {} needs cannot be read", lossy(&found.resolved)));
        }
        if (image.class, image.machine) == (class, machine) {
            return Candidate::Usable(Box::new(image));
        }
        let reason = "it is for another architecture".to_owned();
        match self.loader.flavour {
            Flavour::Glibc => Candidate::Passed(Some(reason)),
            Flavour::Musl(_) => Candidate::Broken(reason),
        }
    }
}

fn parent_of(path: &str) -> String {
    Path::new(path).parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The objects' libraries by the name they were asked for.
pub(super) fn by_name(objects: &[Object]) -> BTreeMap<&str, &Object> {
    let sonames = objects.iter().filter_map(|object| Some((object.image.soname.as_deref()?, object)));
    sonames.chain(objects.iter().map(|object| (object.name.as_str(), object))).collect()
}

#[cfg(test)]
mod tests;
