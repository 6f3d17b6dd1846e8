//! Splits environments into names and values. Values that look secret are replaced before anything else sees them.

use std::collections::BTreeMap;

/// What stands for a secret.
pub(super) const HIDDEN: &str = "***";

/// Splits `NAME=value`; as in execve(2) environments that programs read with getenv(3), the first of a name counts.
pub(super) fn environment(entries: Vec<String>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for entry in entries {
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        env.entry(name.to_owned()).or_insert_with(|| shown(name, value).to_owned());
    }
    env
}

/// The value as it may be kept. That there is none is no secret.
pub(super) fn shown<'v>(name: &str, value: &'v str) -> &'v str {
    if !value.is_empty() && is_secret(name, value) { HIDDEN } else { value }
}

/// A name that says so, or a URL with a password in it.
fn is_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"];
    let name = name.to_ascii_uppercase();
    let password_in_url = || {
        let (_, rest) = value.split_once("://")?;
        let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
        Some(user.contains(':'))
    };
    WORDS.iter().any(|word| name.contains(word)) || password_in_url() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret_is_hidden_and_an_empty_value_stays_empty() {
        assert_eq!(shown("API_KEY", "abc"), HIDDEN);
        assert_eq!(shown("DB", "postgres://u:p@h/x"), HIDDEN);
        assert_eq!(shown("DB", "postgres://h/x"), "postgres://h/x");
        assert_eq!(shown("API_KEY", ""), "");
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let env = environment(["PATH=/bin", "PATH=/other", "EMPTY"].map(str::to_owned).to_vec());
        assert_eq!((env["PATH"].as_str(), env["EMPTY"].as_str()), ("/bin", ""));
    }
}
