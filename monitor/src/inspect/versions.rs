//! Compares the symbol versions that files need with those that libraries define. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    elf::Image,
    libraries::{Object, by_name},
};
use crate::model::fact::UnmetVersion;

/// One would do to name the cause.
const UNMET_LIMIT: usize = 256;

/// The needed versions that no loaded library defines, as glibc's `_dl_check_map_versions` finds them.
pub(super) fn unmet(objects: &[Object]) -> Vec<UnmetVersion> {
    let libraries = by_name(objects);
    let libraries: BTreeMap<&str, (&Object, BTreeSet<&str>)> = libraries
        .into_iter()
        .map(|(name, object)| {
            let defined = object.image.version_definitions.iter().map(String::as_str).collect();
            (name, (object, defined))
        })
        .collect();
    let mut unmet = Vec::new();
    for object in objects {
        for need in object.image.version_needs.iter().filter(|need| !need.weak) {
            let Some((library, defined)) = libraries.get(need.library.as_str()) else { continue };
            // A library without any version only earns a warning.
            if defined.is_empty() || defined.contains(need.version.as_str()) || unmet.len() >= UNMET_LIMIT {
                continue;
            }
            unmet.push(UnmetVersion {
                library: need.library.clone(),
                path: library.path.clone(),
                version: need.version.clone(),
                highest_offered: highest(&library.image, family(&need.version)),
                wanted_by: object.path.clone(),
            });
        }
    }
    unmet
}

/// The highest version of a family, `GLIBC_` for example, that a library defines, with its prefix.
pub(super) fn highest(image: &Image, family: &str) -> Option<String> {
    let versions = image.version_definitions.iter().filter(|version| {
        version.strip_prefix(family).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    versions.max_by(|a, b| compare(a, b)).cloned()
}

/// What stands before the number.
fn family(version: &str) -> &str {
    let end = version.find(|c: char| c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end).unwrap_or_default()
}

/// By the numbers between the dots: 2.34 is above 2.4.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let numbers = version.get(family(version).len()..).unwrap_or_default();
        numbers.split('.').map(|part| part.parse().unwrap_or_default()).collect()
    };
    numbers(a).cmp(&numbers(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let defined =
            ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4", "GLIBC_PRIVATE", "GCC_9.0"].map(str::to_owned);
        let image = Image { version_definitions: defined.to_vec(), ..Image::default() };
        assert_eq!(highest(&image, "GLIBC_").as_deref(), Some("GLIBC_2.34"));
        assert_eq!(highest(&image, "CXXABI_"), None);
        assert_eq!(compare("GLIBC_2.2.5", "GLIBC_2.2"), Ordering::Greater);
    }
}
