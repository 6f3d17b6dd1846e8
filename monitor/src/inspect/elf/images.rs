//! ELF files that were parsed before: one that is still the same is not parsed again.

use std::{
    collections::HashMap,
    fs::File,
    os::{fd::AsFd, unix::fs::MetadataExt},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{Depth, ElfError, Image, read};
use crate::model::fact::GoBuild;

/// Images that are kept; the longest unused goes first.
const MAX_IMAGES: usize = 512;
/// The strings of all of them together, in bytes: a file may be made to have many.
const MAX_BYTES: usize = 4 << 20;

/// What changes with the content of a file. A container can set all but the last: `ctime` follows the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &impl AsFd) -> Option<Self> {
        let metadata = File::from(file.as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Identity {
    /// The clock of a file system has a grain: a file that was changed just now could change again unnoticed.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).is_ok_and(|now| now > self.changed.0.saturating_add(1))
    }
}

/// What is kept, shared by all inspections.
#[derive(Debug, Default)]
pub(in crate::inspect) struct Images(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_file: HashMap<(Identity, Depth), Entry>,
    bytes: usize,
    /// Counts the questions: the time by which the longest unused is told.
    now: u64,
    hits: u64,
}

#[derive(Debug)]
struct Entry {
    image: Image,
    used_at: u64,
}

impl Images {
    /// The image of a file that begins with the ELF magic number.
    pub(in crate::inspect) fn read(
        &self,
        file: File,
        size_bytes: u64,
        depth: Depth,
    ) -> Result<Image, ElfError> {
        let before = Identity::of(&file);
        if let Some(image) = before.and_then(|identity| self.lock().find((identity, depth))) {
            return Ok(image);
        }
        let again = file.try_clone().ok();
        let image = read(file, size_bytes, depth)?;
        // A file that is written meanwhile has no image.
        let after = again.as_ref().and_then(Identity::of);
        if let Some(identity) = before.filter(|identity| before == after && identity.is_settled()) {
            self.lock().keep((identity, depth), image.clone());
        }
        Ok(image)
    }

    /// A panic elsewhere leaves images that are whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, file: (Identity, Depth)) -> Option<Image> {
        self.now += 1;
        let entry = self.by_file.get_mut(&file)?;
        entry.used_at = self.now;
        self.hits += 1;
        Some(entry.image.clone())
    }

    fn keep(&mut self, file: (Identity, Depth), image: Image) {
        let bytes = image.bytes();
        if bytes > MAX_BYTES / 16 {
            return;
        }
        self.now += 1;
        while self.by_file.len() >= MAX_IMAGES || self.bytes + bytes > MAX_BYTES {
            let unused = self.by_file.iter().min_by_key(|(_, entry)| entry.used_at).map(|(file, _)| *file);
            let Some(entry) = unused.and_then(|file| self.by_file.remove(&file)) else { break };
            self.bytes = self.bytes.saturating_sub(entry.image.bytes());
        }
        let old = self.by_file.insert(file, Entry { image, used_at: self.now });
        self.bytes = (self.bytes + bytes).saturating_sub(old.map_or(0, |old| old.image.bytes()));
    }
}

impl Image {
    /// What its strings take.
    fn bytes(&self) -> usize {
        let Self {
            interpreter, needed, soname, rpath, runpath, version_needs, version_definitions, go, ..
        } = self;
        let single = [interpreter, soname, rpath, runpath].into_iter().flatten();
        let lists = needed.iter().chain(version_definitions);
        let needs = version_needs.iter().flat_map(|need| [&need.library, &need.version]);
        let strings: usize =
            single.chain(lists).chain(needs).map(|text| size_of::<String>() + text.capacity()).sum();
        strings + go.get().and_then(Option::as_ref).map_or(0, bytes_of)
    }
}

fn bytes_of(GoBuild { version, main_path, module, settings, dependencies }: &GoBuild) -> usize {
    let settings = settings.iter().flat_map(|(key, value)| [key, value]);
    let strings = [version, main_path, module].into_iter().chain(settings).chain(dependencies);
    strings.map(|text| size_of::<String>() + text.capacity()).sum()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::inspect::testing::ElfFile;

    fn written(file: &mut File, interpreter: &'static str) -> u64 {
        let bytes = ElfFile::program(interpreter, &[]).build();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&bytes).unwrap();
        bytes.len() as u64
    }

    #[test]
    fn a_file_that_is_the_same_is_kept_and_one_that_changed_just_now_is_not() {
        let images = Images::default();
        let program = || File::open("/bin/sh").unwrap();
        let size = program().metadata().unwrap().len();
        let first = images.read(program(), size, Depth::Linking).unwrap();
        assert_eq!(images.read(program(), size, Depth::Linking).unwrap(), first);
        assert_eq!(images.lock().by_file.len(), 1);
        assert_eq!(images.lock().hits, 1);

        let mut young = tempfile::tempfile().unwrap();
        let size = written(&mut young, "/lib/first");
        images.read(young.try_clone().unwrap(), size, Depth::Linking).unwrap();
        assert_eq!(images.lock().by_file.len(), 1);
        let before = Identity::of(&young);
        while Identity::of(&young) == before {
            written(&mut young, "/lib/other");
        }
    }

    #[test]
    fn images_are_bounded_in_number_and_size() {
        let images = Images::default();
        let identity =
            |inode| Identity { device: 1, inode, size_bytes: 0, modified: (0, 0), changed: (0, 0) };
        let image = |bytes| Image { soname: Some("x".repeat(bytes)), ..Image::default() };
        for inode in 0..2_000 {
            images.lock().keep((identity(inode), Depth::Linking), image(10));
        }
        assert_eq!(images.lock().by_file.len(), MAX_IMAGES);
        assert!(images.lock().find((identity(1_999), Depth::Linking)).is_some());
        assert!(images.lock().find((identity(0), Depth::Linking)).is_none(), "the oldest went first");
        for inode in 0..200 {
            images.lock().keep((identity(inode), Depth::Program), image(200 << 10));
        }
        assert!(images.lock().bytes <= MAX_BYTES);
        images.lock().keep((identity(5_000), Depth::Program), image(MAX_BYTES));
        assert!(images.lock().find((identity(5_000), Depth::Program)).is_none());
    }
}
