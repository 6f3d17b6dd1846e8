//! Reads the tree's own sources: their code without comments, and which paths they use.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A source file; its path starts at the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All Rust files below a folder of the repository.
pub(crate) fn rust(folder: &str) -> Vec<Source> {
    let found = files(&root().join(folder))
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "rs"));
    found.map(|path| Source { text: fs::read_to_string(root().join(&path)).unwrap(), path }).collect()
}

/// Everything that people read: sources, documents, manifests, scenarios.
pub(crate) fn documents() -> Vec<(String, String)> {
    const KINDS: [&str; 10] = ["rs", "md", "toml", "yaml", "yml", "json", "jsonl", "sh", "go", "run"];
    let is_read = |path: &String| {
        KINDS.iter().any(|kind| path.ends_with(&format!(".{kind}")) || path.ends_with(&format!("/{kind}")))
    };
    let all = files(&root()).into_iter().filter(is_read);
    all.filter_map(|path| Some((path.clone(), fs::read_to_string(root().join(&path)).ok()?))).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_made = matches!(name.as_str(), "target" | ".git" | "Cargo.lock");
        if entry.file_type().unwrap().is_dir() && !is_made {
            found.extend(files(&path));
        } else if entry.file_type().unwrap().is_file() && !is_made {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// What stands in backticks.
pub(crate) fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

impl Source {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Whether it is the module `part` of `monitor/src`, or below it.
    pub(crate) fn is_of(&self, part: &str) -> bool {
        let path = self.path.strip_prefix("monitor/src/").unwrap_or_default();
        path == format!("{part}.rs") || path.starts_with(&format!("{part}/"))
    }

    /// The text without whole-line comments.
    pub(crate) fn code(&self) -> String {
        self.text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |code, line| code + line + "\n")
    }

    /// Every path that it names, `use` declarations spelled out, `super` resolved.
    pub(crate) fn used(&self) -> Vec<String> {
        let code = self.code();
        let mut found = Vec::new();
        let mut rest = code.as_str();
        while let Some(at) = rest.find("use ") {
            let starts_word = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
            let after = &rest[at + "use ".len()..];
            let end = after.find(';').unwrap_or(after.len());
            if starts_word {
                spell_out("", &after[..end], &mut found);
            }
            rest = &after[end.min(after.len())..];
        }
        // Paths in the middle of an expression.
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        found.extend(code.split(|c| !is_path(c)).filter(|word| word.contains("::")).map(str::to_owned));
        found.into_iter().map(|path| self.resolve(&path)).collect()
    }

    fn resolve(&self, path: &str) -> String {
        let Some(mut rest) = path.strip_prefix("super::") else { return path.to_owned() };
        let own = self.path.strip_prefix("monitor/src/").unwrap_or_default();
        let mut modules: Vec<&str> =
            own.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect();
        modules.pop();
        while let Some(further) = rest.strip_prefix("super::") {
            modules.pop();
            rest = further;
        }
        modules.insert(0, "crate");
        modules.push(rest);
        modules.join("::")
    }
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn spell_out(prefix: &str, tree: &str, into: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, inner)) = tree.split_once('{') else {
        into.push(format!("{prefix}{}", tree.split(" as ").next().unwrap_or(tree).trim()));
        return;
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let prefix = format!("{prefix}{}", before.trim());
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spell_out(&prefix, &inner[start..at], into);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        spell_out(&prefix, &inner[start..], into);
    }
}

#[test]
fn paths_are_spelled_out_and_resolved() {
    let text = "use std::{\n    env,\n    io::{self, Read},\n};\nuse super::a::B;\nfn f() { crate::c::d() }\n// std::fs\n";
    let source = Source { path: "monitor/src/model/x.rs".to_owned(), text: text.to_owned() };
    let used = source.used();
    for path in ["std::env", "std::io::self", "std::io::Read", "crate::model::a::B", "crate::c::d"] {
        assert!(used.iter().any(|found| found == path), "{path}: {used:?}");
    }
    assert!(!used.iter().any(|found| found.contains("fs")), "{used:?}");
}
