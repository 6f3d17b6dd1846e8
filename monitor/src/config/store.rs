//! Where incidents are kept, for how long and how many, as configured. Parses; never opens the file.

use std::{path::PathBuf, time::Duration};

use super::ConfigError;
use crate::when;

/// Where the store is, unless configured.
pub const DEFAULT_STORE: &str = "/var/lib/gomon/gomon.db";
/// Incidents that were last seen longer ago go.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_hours(30 * 24);
/// Bytes of the store; beyond it the oldest incidents go.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;
/// A smaller store could not hold what one bad minute brings.
const LEAST_BYTES: u64 = 1 << 20;
/// What a size may be counted in, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// The store of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    pub path: PathBuf,
    /// Somebody chose the path: it has to be this one.
    pub is_chosen: bool,
    pub max_age: Duration,
    pub max_bytes: u64,
}

impl StoreConfig {
    pub(super) fn complete(
        path: Option<String>,
        max_age: Option<String>,
        max_size: Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let wrong = |key, value: String, wanted| Err(ConfigError::Value { key, value, wanted });
        let is_chosen = path.is_some();
        let path = match path {
            Some(path) if path.is_empty() || path == "none" => return Ok(None),
            Some(path) if !path.starts_with('/') => {
                return wrong("store", path, "an absolute path is needed, or none");
            }
            other => other.map_or_else(|| DEFAULT_STORE.into(), PathBuf::from),
        };
        let max_age = match max_age {
            None => DEFAULT_MAX_AGE,
            Some(text) => match when::duration(&text) {
                Ok(age) if !age.is_zero() => age,
                Ok(_) | Err(_) => {
                    return wrong("store_max_age", text, "a duration such as 30d or 12h is needed");
                }
            },
        };
        let max_bytes = match max_size {
            None => DEFAULT_MAX_BYTES,
            Some(text) => match size(&text) {
                Some(bytes) if bytes >= LEAST_BYTES => bytes,
                Some(_) | None => {
                    return wrong("store_max_size", text, "a size such as 256MiB is needed, 1MiB at least");
                }
            },
        };
        Ok(Some(Self { path, is_chosen, max_age, max_bytes }))
    }
}

/// Bytes of a size such as `256MiB`.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, bytes)))
        .unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(
        path: Option<&str>,
        age: Option<&str>,
        size: Option<&str>,
    ) -> Result<Option<StoreConfig>, String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        StoreConfig::complete(own(path), own(age), own(size)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_store_is_kept_unless_it_is_turned_off() {
        let store = complete(None, None, None).unwrap().unwrap();
        assert_eq!((store.path, store.is_chosen), (DEFAULT_STORE.into(), false));
        assert_eq!(complete(Some(""), None, None), Ok(None));
        assert_eq!(complete(Some("none"), None, None), Ok(None));
        let store = complete(Some("/a/b.db"), Some("7d"), Some("2 GiB")).unwrap().unwrap();
        assert_eq!((store.is_chosen, store.max_age.as_secs(), store.max_bytes), (true, 7 * 86_400, 2 << 30));
    }

    #[test]
    fn a_value_that_cannot_work_names_the_key_and_what_is_needed() {
        for (path, age, size, key) in [
            (Some("gomon.db"), None, None, "store is"),
            (None, Some("long"), None, "store_max_age is"),
            (None, Some("0s"), None, "store_max_age is"),
            (None, None, Some("lots"), "store_max_size is"),
            (None, None, Some("12KiB"), "store_max_size is"),
            (None, None, Some("99999999999GiB"), "store_max_size is"),
        ] {
            let message = complete(path, age, size).unwrap_err();
            assert!(message.starts_with(key) && message.contains("needed"), "{message}");
        }
    }
}
