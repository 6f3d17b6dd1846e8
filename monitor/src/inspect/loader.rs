//! Where a dynamic loader looks for a library: the search orders of glibc's ld.so(8) and of musl. Builds lists of paths.

use std::{cell::OnceCell, collections::HashMap};

use super::{elf::Image, ldcache, root::ContainerRoot};

const CACHE: &str = "/etc/ld.so.cache";
const CACHE_LIMIT_BYTES: u64 = 8 << 20;
const PATH_FILE_LIMIT_BYTES: u64 = 64 << 10;
/// What the directory of a file may make of a search path.
const PATH_LIMIT_BYTES: usize = 256 << 10;
/// Of one search path; a longer one is not honest.
const DIRECTORY_LIMIT: usize = 64;
/// Of all search paths for one library.
const SEARCH_LIMIT: usize = 256;

/// A loader with all that decides its search.
pub(super) struct Loader<'r, 'h> {
    root: &'r ContainerRoot<'h>,
    /// Its own, without symbolic links.
    pub(super) path: String,
    pub(super) flavour: Flavour,
    /// `LD_LIBRARY_PATH`, empty where the program runs with privileges of its own (`AT_SECURE`).
    library_path: Vec<String>,
    /// `e_machine` and class of the program.
    machine: u16,
    class: u8,
    /// `None`: it is there, and cannot be read.
    cache: OnceCell<Option<HashMap<String, Vec<String>>>>,
    musl_path: OnceCell<Option<Vec<String>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flavour {
    Glibc,
    /// The architecture in the loader's name, for example `x86_64`.
    Musl(String),
}

/// The search for one library on behalf of one file.
pub(super) struct Search {
    /// Whole paths to try, in order.
    pub(super) candidates: Vec<String>,
    /// The directories among them, in order.
    pub(super) directories: Vec<String>,
    /// A place that gomon does not or cannot look into: its name depends on the machine, or there are too many.
    pub(super) unknown: Option<String>,
}

/// A file whose `DT_NEEDED` is followed: its directory and its own search paths, then those of the files that led to it.
pub(super) struct Requester<'i> {
    pub(super) origin: &'i str,
    pub(super) image: &'i Image,
}

impl<'r, 'h> Loader<'r, 'h> {
    /// The loader of `program`, whose interpreter resolves to `interpreter` inside the container.
    pub(super) fn new(
        root: &'r ContainerRoot<'h>,
        program: &Image,
        interpreter: &str,
        library_path: &str,
    ) -> Self {
        let flavour = musl_architecture(program, interpreter).map_or(Flavour::Glibc, Flavour::Musl);
        let separators: &[char] = if flavour == Flavour::Glibc { &[':', ';'] } else { &[':', '\n'] };
        Self {
            root,
            path: interpreter.to_owned(),
            flavour,
            library_path: split(library_path, separators, &root.cwd),
            machine: program.machine,
            class: program.class,
            cache: OnceCell::new(),
            musl_path: OnceCell::new(),
        }
    }

    /// musl's loader is its C library: these names never reach the file system (`load_library` of ldso/dynlink.c).
    pub(super) fn provides(&self, name: &str) -> bool {
        const OWN: [&str; 7] = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];
        let stem = name.strip_prefix("lib").unwrap_or_default();
        self.flavour != Flavour::Glibc && OWN.iter().any(|own| stem.starts_with(own))
    }

    /// Where `name` is looked for; `chain` is the file that needs it, then its ancestors up to the program.
    pub(super) fn search(&self, name: &str, chain: &[Requester<'_>]) -> Search {
        let mut search = Search { candidates: Vec::new(), directories: Vec::new(), unknown: None };
        if name.contains('/') {
            let origin = chain.first().map_or("/", |requester| requester.origin);
            search.add_whole(&expand(name, origin));
            return search;
        }
        match &self.flavour {
            Flavour::Glibc => self.search_glibc(name, chain, &mut search),
            Flavour::Musl(architecture) => self.search_musl(name, architecture, chain, &mut search),
        }
        search
    }

    fn search_glibc(&self, name: &str, chain: &[Requester<'_>], search: &mut Search) {
        let runpath = chain.first().and_then(|requester| requester.image.runpath.as_deref());
        // A DT_RUNPATH silences the DT_RPATHs of its own file and of all before it.
        if runpath.is_none() {
            for requester in chain.iter().filter(|requester| requester.image.runpath.is_none()) {
                self.add_path(requester.image.rpath.as_deref(), requester.origin, name, search);
            }
        }
        search.add(&self.library_path, name);
        if let Some(requester) = chain.first() {
            self.add_path(runpath, requester.origin, name, search);
        }
        match self.cache() {
            Some(cache) => cache.get(name).into_iter().flatten().for_each(|path| search.add_whole(path)),
            None => search.doubt(CACHE),
        }
        search.add(&self.default_directories(), name);
    }

    fn search_musl(&self, name: &str, architecture: &str, chain: &[Requester<'_>], search: &mut Search) {
        search.add(&self.library_path, name);
        for requester in chain {
            let own = requester.image.runpath.as_deref().or(requester.image.rpath.as_deref());
            self.add_path(own, requester.origin, name, search);
        }
        let file = format!("/etc/ld-musl-{architecture}.path");
        let system = self.musl_path.get_or_init(|| {
            let text = self.root.read(&file, PATH_FILE_LIMIT_BYTES).ok()?;
            let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let text = text.as_deref().unwrap_or("/lib:/usr/local/lib:/usr/lib");
            Some(split(text, &[':', '\n'], &self.root.cwd))
        });
        match system {
            Some(system) => search.add(system, name),
            None => search.doubt(&file),
        }
    }

    fn add_path(&self, path: Option<&str>, origin: &str, name: &str, search: &mut Search) {
        let Some(path) = path else { return };
        let expanded = expand(path, origin);
        let directories = split(&expanded, &[':'], &self.root.cwd);
        if let Some(unknown) = directories.iter().find(|directory| directory.contains('$')) {
            search.doubt(unknown);
        }
        let plain: Vec<String> =
            directories.into_iter().filter(|directory| !directory.contains('$')).collect();
        search.add(&plain, name);
    }

    fn cache(&self) -> Option<&HashMap<String, Vec<String>>> {
        let cache = self.cache.get_or_init(|| {
            let bytes = self.root.read(CACHE, CACHE_LIMIT_BYTES).ok()?;
            ldcache::parse(&bytes.unwrap_or_default())
        });
        cache.as_ref()
    }

    /// What distributions compile into ld.so: Debian's multiarch directories, `lib64` elsewhere, `lib` everywhere.
    fn default_directories(&self) -> Vec<String> {
        let mut directories = Vec::new();
        if let Some(triplet) = triplet(self.machine) {
            directories.extend([format!("/lib/{triplet}"), format!("/usr/lib/{triplet}")]);
        }
        if self.class == 64 {
            directories.extend(["/lib64".to_owned(), "/usr/lib64".to_owned()]);
        }
        directories.extend(["/lib".to_owned(), "/usr/lib".to_owned()]);
        directories
    }
}

impl Search {
    /// What is not found may be there all the same.
    fn doubt(&mut self, place: &str) {
        self.unknown.get_or_insert_with(|| place.to_owned());
    }

    fn add(&mut self, directories: &[String], name: &str) {
        for directory in directories {
            if self.directories.len() >= SEARCH_LIMIT {
                self.doubt(directory);
                return;
            }
            if !self.directories.contains(directory) {
                self.directories.push(directory.clone());
                self.candidates.push(format!("{}/{name}", directory.trim_end_matches('/')));
            }
        }
    }

    fn add_whole(&mut self, path: &str) {
        if !self.candidates.iter().any(|known| known == path) {
            self.candidates.push(path.to_owned());
        }
    }
}

/// The architecture in musl's names, where `interpreter`, without symbolic links, is musl's. As musl's own makefile installs
/// it, `ld-musl-ARCH.so.1` is a link to `libc.so`, a name that no loader of glibc's has.
fn musl_architecture(program: &Image, interpreter: &str) -> Option<String> {
    let architecture = |path: &str| {
        let name = path.rsplit('/').next()?;
        let rest = name.strip_prefix("ld-musl-").or_else(|| name.strip_prefix("libc.musl-"))?;
        rest.strip_suffix(".so.1").map(str::to_owned)
    };
    if !interpreter.ends_with("/libc.so") {
        return architecture(interpreter);
    }
    let of_machine = || triplet(program.machine)?.split('-').next();
    program.interpreter.as_deref().and_then(architecture).or_else(|| of_machine().map(str::to_owned))
}

/// Debian's name of the machine `e_machine` stands for, by which its multiarch directories are called.
pub(super) fn triplet(machine: u16) -> Option<&'static str> {
    Some(match machine {
        3 => "i386-linux-gnu",
        21 => "powerpc64le-linux-gnu",
        22 => "s390x-linux-gnu",
        40 => "arm-linux-gnueabihf",
        62 => "x86_64-linux-gnu",
        183 => "aarch64-linux-gnu",
        243 => "riscv64-linux-gnu",
        258 => "loongarch64-linux-gnu",
        _ => return None,
    })
}

pub(super) fn expand(path: &str, origin: &str) -> String {
    // Of a path that would grow without end the rest stays as written: such a directory is one that nobody looks into.
    let places = PATH_LIMIT_BYTES / origin.len().max(1);
    path.replacen("${ORIGIN}", origin, places).replacen("$ORIGIN", origin, places)
}

/// The directories of a search path; an empty one is the working directory.
pub(super) fn split(path: &str, separators: &[char], cwd: &str) -> Vec<String> {
    if path.is_empty() {
        return Vec::new();
    }
    let whole = |directory: &str| match directory {
        "" => cwd.to_owned(),
        relative if !relative.starts_with(['/', '$']) => format!("{}/{relative}", cwd.trim_end_matches('/')),
        absolute => absolute.to_owned(),
    };
    path.split(separators).take(DIRECTORY_LIMIT).map(whole).collect()
}
