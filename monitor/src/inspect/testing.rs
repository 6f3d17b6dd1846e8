//! What the tests of this module build: a host with one bundle in a temporary directory, and ELF files byte by byte.

mod symbols;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

pub(super) use symbols::{Hash, Symbol};

use super::{Deadline, DlopenCalls, Host, bundle::BundleDirectory, file, oci, root::ContainerRoot, source};
use crate::model::{
    container::ContainerId,
    fact::{File, FileFact, Known},
};

/// As on a machine whose kernel refuses uprobes.
pub(super) fn nobody_watches(_: DlopenCalls) -> Known<bool> {
    Known::unknown("nobody watches")
}

pub(super) const ID: &str = "c0ffee0000000000000000000000000000000000000000000000000000000000";

/// A host whose only container is [`ID`], with an empty root file system.
pub(super) struct TestHost {
    directory: tempfile::TempDir,
    pub(super) host: Host,
    pub(super) config: Value,
}

impl TestHost {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::new(directory.path(), Path::new("/proc")).unwrap();
        let config = json!({
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["/app/x"], "env": ["PATH=/bin:/usr/bin"], "cwd": "/"},
            "root": {"path": "/rootfs"},
        });
        let this = Self { directory, host, config };
        fs::create_dir_all(this.inside("etc")).unwrap();
        this
    }

    pub(super) fn id() -> ContainerId {
        ContainerId(ID.into())
    }

    /// A path of the host.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// A path of the container, as the test sees it.
    pub(super) fn inside(&self, path: &str) -> PathBuf {
        self.path("rootfs").join(path.trim_start_matches('/'))
    }

    pub(super) fn user(mut self, uid: u32) -> Self {
        self.config["process"]["user"]["uid"] = uid.into();
        self
    }

    pub(super) fn mounts(mut self, mounts: Value) -> Self {
        self.config["mounts"] = mounts;
        self
    }

    pub(super) fn env(mut self, env: &[&str]) -> Self {
        self.config["process"]["env"] = json!(env);
        self
    }

    pub(super) fn args(mut self, args: &[&str]) -> Self {
        self.config["process"]["args"] = json!(args);
        self
    }

    /// An executable file of the container.
    pub(super) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.mode(path, bytes, 0o755)
    }

    pub(super) fn mode(self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) -> Self {
        let at = self.inside(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, bytes).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let at = self.inside(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(target, at).unwrap();
        self
    }

    pub(super) fn directory(self, path: &str, mode: u32) -> Self {
        fs::create_dir_all(self.inside(path)).unwrap();
        fs::set_permissions(self.inside(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Writes the bundle and says where it lies.
    pub(super) fn bundle(&self) -> BundleDirectory {
        let at = self.path(&format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}"));
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("config.json"), self.config.to_string()).unwrap();
        self.host.bundles.find(&self.host, &Self::id()).unwrap()
    }

    pub(super) fn root(&self) -> ContainerRoot<'_> {
        let directory = self.bundle();
        let bundle = oci::read(&self.host, &directory.path).unwrap();
        source::of_bundle(&self.host, &bundle, &directory.path, None, Deadline::never()).unwrap()
    }

    pub(super) fn describe(&self, path: &str) -> Known<FileFact> {
        file::describe(&self.root(), path)
    }

    /// The file at a path that has to be there.
    pub(super) fn present(&self, path: &str) -> File {
        let fact = self.describe(path);
        let Known::Is(FileFact::Present(file)) = fact else { panic!("{path}: {fact:?}") };
        *file
    }

    /// What is missing at a path that must not be there.
    pub(super) fn missing(&self, path: &str) -> String {
        let fact = self.describe(path);
        let Known::Is(FileFact::Absent { missing, .. }) = fact else { panic!("{path}: {fact:?}") };
        missing
    }

    /// Why nobody knows what is at a path.
    pub(super) fn unknown(&self, path: &str) -> String {
        let fact = self.describe(path);
        let Known::Unknown(reason) = fact else { panic!("{path}: {fact:?}") };
        reason
    }
}

/// An ELF file to be written: one loaded segment over everything, and what is asked for.
#[derive(Clone)]
pub(super) struct ElfFile {
    pub(super) wide: bool,
    pub(super) big_endian: bool,
    pub(super) machine: u16,
    pub(super) interpreter: Option<&'static str>,
    pub(super) needed: Vec<&'static str>,
    pub(super) soname: Option<&'static str>,
    pub(super) rpath: Option<&'static str>,
    pub(super) runpath: Option<&'static str>,
    /// Library, version, weak.
    pub(super) needs: Vec<(&'static str, &'static str, bool)>,
    pub(super) defines: Vec<&'static str>,
    /// Of the dynamic symbol table.
    pub(super) symbols: Vec<Symbol>,
    pub(super) hash: Hash,
    /// The contents of a writable segment.
    pub(super) data: Vec<u8>,
}

impl Default for ElfFile {
    fn default() -> Self {
        Self {
            wide: true,
            big_endian: false,
            machine: 62,
            interpreter: None,
            needed: Vec::new(),
            soname: None,
            rpath: None,
            runpath: None,
            needs: Vec::new(),
            defines: Vec::new(),
            symbols: Vec::new(),
            hash: Hash::Gnu,
            data: Vec::new(),
        }
    }
}

/// Bytes with the file's own word size and order.
struct Writer<'e> {
    elf: &'e ElfFile,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn integer(&mut self, value: usize, bytes: usize) {
        let all = (value as u64).to_be_bytes();
        let mut part = all[8 - bytes..].to_vec();
        if !self.elf.big_endian {
            part.reverse();
        }
        self.out.extend(part);
    }

    fn word(&mut self, value: usize) {
        self.integer(value, if self.elf.wide { 8 } else { 4 });
    }

    /// One program header; addresses equal offsets.
    fn segment(&mut self, kind: usize, flags: usize, start: usize, size: usize) {
        self.integer(kind, 4);
        if self.elf.wide {
            self.integer(flags, 4);
        }
        for value in [start, start, start, size, size] {
            self.word(value);
        }
        if !self.elf.wide {
            self.integer(flags, 4);
        }
        self.word(1);
    }
}

impl ElfFile {
    pub(super) fn program(interpreter: &'static str, needed: &[&'static str]) -> Self {
        Self { interpreter: Some(interpreter), needed: needed.to_vec(), ..Self::default() }
    }

    pub(super) fn library(needed: &[&'static str]) -> Self {
        Self { needed: needed.to_vec(), ..Self::default() }
    }

    pub(super) fn build(&self) -> Vec<u8> {
        const SEGMENTS: usize = 4;
        let (header, entry) = if self.wide { (64, 56) } else { (52, 32) };
        let body = header + SEGMENTS * entry;
        let mut strings = vec![0_u8];
        let mut at = |text: &str| {
            let offset = strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            offset
        };
        let needed: Vec<_> = self.needed.iter().map(|name| (1, at(name))).collect();
        let named = [(14, self.soname), (15, self.rpath), (29, self.runpath)];
        let named: Vec<_> = named.into_iter().filter_map(|(tag, text)| Some((tag, at(text?)))).collect();
        let needs: Vec<_> = self.needs.iter().map(|(file, name, weak)| (at(file), at(name), *weak)).collect();
        let defines: Vec<_> = self.defines.iter().map(|name| at(name)).collect();
        let symbols: Vec<_> = self.symbols.iter().map(|symbol| (at(symbol.name), *symbol)).collect();

        let interpreter = self.interpreter.map(|path| [path.as_bytes(), b"\0"].concat()).unwrap_or_default();
        let strings_at = body + interpreter.len();
        let need_at = strings_at + strings.len();
        let define_at = need_at + needs.len() * 32;
        let symbols_at = (define_at + defines.len() * 28).next_multiple_of(8);
        let symbols = symbols::tables(self, &symbols, symbols_at);
        let dynamic_at = (symbols_at + symbols.bytes.len()).next_multiple_of(8);
        let mut entries = [needed, named, vec![(5, strings_at), (10, strings.len())]].concat();
        if !needs.is_empty() {
            entries.extend([(0x6fff_fffe, need_at), (0x6fff_ffff, needs.len())]);
        }
        if !defines.is_empty() {
            entries.extend([(0x6fff_fffc, define_at), (0x6fff_fffd, defines.len())]);
        }
        entries.extend(symbols.entries);
        entries.push((0, 0));
        let dynamic_bytes = entries.len() * if self.wide { 16 } else { 8 };
        let data_at = (dynamic_at + dynamic_bytes).next_multiple_of(16);
        let end = data_at + self.data.len();

        let mut writer = Writer { elf: self, out: Vec::new() };
        writer.header(header, entry, SEGMENTS);
        writer.segment(1, 5, 0, end);
        writer.segment(if self.data.is_empty() { 4 } else { 1 }, 6, data_at, self.data.len());
        writer.segment(if interpreter.is_empty() { 4 } else { 3 }, 4, body, interpreter.len());
        writer.segment(2, 6, dynamic_at, dynamic_bytes);
        writer.out.extend(interpreter);
        writer.out.extend(strings);
        writer.versions(&needs, &defines);
        writer.out.resize(symbols_at, 0);
        writer.out.extend(symbols.bytes);
        writer.out.resize(dynamic_at, 0);
        for (tag, value) in entries {
            writer.word(tag);
            writer.word(value);
        }
        writer.out.resize(data_at, 0);
        writer.out.extend(&self.data);
        writer.out
    }
}

impl Writer<'_> {
    fn header(&mut self, header: usize, entry: usize, segments: usize) {
        let class = if self.elf.wide { 2 } else { 1 };
        let order = if self.elf.big_endian { 2 } else { 1 };
        self.out.extend(*b"\x7fELF");
        self.out.extend([class, order, 1]);
        self.out.resize(16, 0);
        self.integer(if self.elf.interpreter.is_some() { 2 } else { 3 }, 2);
        self.integer(self.elf.machine.into(), 2);
        self.integer(1, 4);
        for value in [0, header, 0] {
            self.word(value);
        }
        self.integer(0, 4);
        for value in [header, entry, segments, 0, 0, 0] {
            self.integer(value, 2);
        }
    }

    fn versions(&mut self, needs: &[(usize, usize, bool)], defines: &[usize]) {
        for (index, (file, name, weak)) in needs.iter().enumerate() {
            let next = if index + 1 == needs.len() { 0 } else { 32 };
            for (value, bytes) in [(1, 2), (1, 2), (*file, 4), (16, 4), (next, 4)] {
                self.integer(value, bytes);
            }
            for (value, bytes) in [(0, 4), (usize::from(*weak) * 2, 2), (2, 2), (*name, 4), (0, 4)] {
                self.integer(value, bytes);
            }
        }
        for (index, name) in defines.iter().enumerate() {
            let next = if index + 1 == defines.len() { 0 } else { 28 };
            for (value, bytes) in [(1, 2), (0, 2), (2, 2), (1, 2), (0, 4), (20, 4), (next, 4)] {
                self.integer(value, bytes);
            }
            for value in [*name, 0] {
                self.integer(value, 4);
            }
        }
    }
}

/// A host with these files, among them its processes.
pub(super) fn host_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let host = Host::new(dir.path(), &dir.path().join("proc")).unwrap();
    (dir, host)
}
