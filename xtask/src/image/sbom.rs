//! The list of what the program is made of, as SPDX 2.3 in JSON: every crate that is linked in, with version, licence and
//! checksum. Format: <https://spdx.github.io/spdx-spec/v2.3/>.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{command, workspace};

pub(super) const NAME: &str = "sbom.spdx.json";
const ROOT: &str = "monitor";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

/// `null` for what is linked; `build` and `dev` for the rest.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The document for this version of gomon.
pub(super) fn of(version: &str) -> Result<String> {
    let text = command::output(workspace::cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&text).context("cargo metadata is not as expected")?;
    let lock = fs::read_to_string("Cargo.lock").context("cannot read Cargo.lock")?;
    let document = document(&metadata, &checksums(&lock), version)?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

fn document(
    metadata: &Metadata,
    checksums: &BTreeMap<(String, String), String>,
    version: &str,
) -> Result<Value> {
    let root = metadata.packages.iter().find(|package| package.name == ROOT);
    let root = root.with_context(|| format!("the workspace has no package {ROOT}"))?;
    let linked = linked(&metadata.resolve, &root.id);
    let parts: Vec<&Package> =
        metadata.packages.iter().filter(|package| linked.contains(package.id.as_str())).collect();
    let packages: Vec<Value> = parts.iter().map(|package| entry(package, checksums)).collect();
    let relations: Vec<Value> = parts
        .iter()
        .filter(|package| package.id != root.id)
        .map(|package| relation(&spdx_id(root), "CONTAINS", &spdx_id(package)))
        .chain([relation("SPDXRef-DOCUMENT", "DESCRIBES", &spdx_id(root))])
        .collect();
    Ok(json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("gomon-{version}"),
        "documentNamespace": format!("https://github.com/gomon-dev/gomon/sbom/{version}"),
        // Of the source, not of the clock: the same tree gives the same document.
        "creationInfo": { "created": created()?, "creators": ["Tool: gomon-xtask"] },
        "packages": packages,
        "relationships": relations,
    }))
}

/// When the commit was made, as `YYYY-MM-DDThh:mm:ssZ`.
fn created() -> Result<String> {
    let mut git = std::process::Command::new("git");
    let args = ["show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "HEAD"];
    command::output(git.env("TZ", "UTC").args(args))
}

/// What is linked into the program, itself among it.
fn linked<'m>(resolve: &'m Resolve, root: &'m str) -> BTreeSet<&'m str> {
    let nodes: BTreeMap<&str, &Node> = resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let (mut found, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(id) = waiting.pop() {
        if !found.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let linked = dependencies.filter(|one| one.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        waiting.extend(linked.map(|one| one.pkg.as_str()));
    }
    found
}

fn spdx_id(package: &Package) -> String {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    format!("SPDXRef-{}-{}", plain(&package.name), plain(&package.version))
}

fn entry(package: &Package, checksums: &BTreeMap<(String, String), String>) -> Value {
    let licence = package.license.as_deref().map(|licence| licence.replace('/', " OR "));
    let mut entry = json!({
        "SPDXID": spdx_id(package),
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": package.source.as_deref().map_or("NOASSERTION", |_| "https://crates.io"),
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence.as_deref().unwrap_or("NOASSERTION"),
        "copyrightText": "NOASSERTION",
        "filesAnalyzed": false,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": format!("pkg:cargo/{}@{}", package.name, package.version),
        }],
    });
    let checksum = checksums.get(&(package.name.clone(), package.version.clone()));
    if let (Some(checksum), Some(entry)) = (checksum, entry.as_object_mut()) {
        entry.insert("checksums".to_owned(), json!([{ "algorithm": "SHA256", "checksumValue": checksum }]));
    }
    entry
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// The checksums that Cargo.lock has, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix("= "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| {
            Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_linked_is_listed() {
        let text = r#"{"packages":[
            {"id":"m","name":"monitor","version":"1.0.0","license":"MIT OR Apache-2.0","source":null},
            {"id":"a","name":"a","version":"2.0.0","license":"MIT/Apache-2.0","source":"registry"},
            {"id":"b","name":"b","version":"3.0.0","license":null,"source":"registry"}],
            "resolve":{"nodes":[
            {"id":"m","deps":[{"pkg":"a","dep_kinds":[{"kind":null}]},{"pkg":"b","dep_kinds":[{"kind":"build"}]}]},
            {"id":"a","deps":[{"pkg":"m","dep_kinds":[{"kind":"dev"}]}]},{"id":"b","deps":[]}]}}"#;
        let metadata = serde_json::from_str(text).unwrap();
        let sums = checksums("[[package]]\nname = \"a\"\nversion = \"2.0.0\"\nchecksum = \"abc\"\n");
        let document = document(&metadata, &sums, "1.0.0").unwrap();
        let packages = document["packages"].as_array().unwrap();
        let names: Vec<&str> = packages.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["monitor", "a"]);
        assert_eq!(packages[1]["licenseDeclared"], "MIT OR Apache-2.0");
        assert_eq!(packages[1]["checksums"][0]["checksumValue"], "abc");
    }
}
