//! What is worth keeping of a container beside a diagnosis: how its program was built and what it may do. Pure.

use super::Case;
use crate::model::{
    binary::Elf,
    fact::{Content, File, FileFact, Known, LibcKind},
    incident::Facts,
    text::inert_short,
};

/// Characters of one fact.
const MAX_CHARS: usize = 200;

impl Case {
    /// What is known of the container now.
    #[must_use]
    pub fn about(&self) -> Facts {
        let config = self.config.get();
        let entrypoint = self.entrypoint.get();
        let content = entrypoint.and_then(|entrypoint| {
            entrypoint.file.get().and_then(FileFact::present).and_then(|File { content, .. }| content.get())
        });
        let (linkage, go_version) = match content {
            Some(Content::Elf(elf)) => {
                let Elf { interpreter, needed, go, .. } = elf.as_ref();
                let is_static = interpreter.is_none() && needed.is_empty();
                let go = go.get().and_then(Option::as_ref);
                let version = go.map_or_else(String::new, |go| inert_short(&go.version, MAX_CHARS));
                (if is_static { "static" } else { "dynamic" }, version)
            }
            Some(Content::Script(_) | Content::ByteOrderMarkedScript) => ("script", String::new()),
            Some(Content::Empty | Content::Other { .. }) | None => ("", String::new()),
        };
        let libc = match &self.libc {
            Known::Is(Some(libc)) => match libc.kind {
                LibcKind::Glibc => "glibc",
                LibcKind::Musl => "musl",
            },
            Known::Is(None) => "none",
            Known::Unknown(_) => "",
        };
        Facts {
            entrypoint: entrypoint.map_or_else(String::new, |one| inert_short(&one.command, MAX_CHARS)),
            go_version,
            libc: libc.to_owned(),
            linkage: linkage.to_owned(),
            user: config.map_or_else(String::new, |config| format!("{}:{}", config.uid, config.gid)),
            memory_limit_bytes: config.and_then(|config| config.memory_limit_bytes),
        }
    }
}
