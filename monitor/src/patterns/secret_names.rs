//! Which names of environment variables say that their value is a secret.

/// A word that names one, wherever it stands.
const SECRETS: [&str; 13] = [
    "APIKEY",
    "APIKEYS",
    "SECRET",
    "SECRETS",
    "SECRETKEY",
    "TOKEN",
    "TOKENS",
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
];
/// A key is a secret where it comes last, other than of these kinds.
const OPEN_KEYS: [&str; 19] = [
    "PUBLIC",
    "PUB",
    "GPG",
    "PGP",
    "SORT",
    "CACHE",
    "PARTITION",
    "ROUTING",
    "PRIMARY",
    "FOREIGN",
    "OBJECT",
    "BUCKET",
    "S3",
    "HASH",
    "RANGE",
    "LABEL",
    "REDIS",
    "MESSAGE",
    "IDEMPOTENCY",
];
/// Last words of names that say where a secret is, or something about it.
const ABOUT: [&str; 41] = [
    "FILE",
    "FILES",
    "PATH",
    "DIR",
    "DIRECTORY",
    "URL",
    "URI",
    "ENDPOINT",
    "NAME",
    "ID",
    "IDS",
    "HOST",
    "PORT",
    "ADDR",
    "PROTO",
    "TCP",
    "UDP",
    "TTL",
    "TIMEOUT",
    "LENGTH",
    "SIZE",
    "LIMIT",
    "COUNT",
    "EXPIRY",
    "EXPIRATION",
    "LIFETIME",
    "DURATION",
    "INTERVAL",
    "TYPE",
    "ALGORITHM",
    "ISSUER",
    "AUDIENCE",
    "HEADER",
    "PREFIX",
    "VERSION",
    "PROVIDER",
    "BACKEND",
    "ARN",
    "ENABLED",
    "POLICY",
    "MODE",
];
/// A word that makes the rest a switch.
const SWITCHES: [&str; 9] =
    ["ALLOW", "ENABLE", "DISABLE", "REQUIRE", "REQUIRED", "SKIP", "USE", "RANDOM", "NO"];
/// What inspection looks for in a name before it drops a value: without any of these it was for what the value holds.
const DROPPED_FOR: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"];

/// `dropped`: inspection took the value for a secret.
pub(super) fn is_secret(name: &str, dropped: bool) -> bool {
    let name = name.to_ascii_uppercase();
    // A URL with a password, whatever its name is.
    if dropped && !DROPPED_FOR.iter().any(|word| name.contains(word)) {
        return true;
    }
    let mut words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    // DB_PASSWORD_2 is numbered, SERVICE_PORT_8200_TCP is not.
    while words.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
        words.pop();
    }
    let Some((last, before)) = words.split_last() else { return false };
    if ABOUT.contains(last) || words.iter().any(|word| SWITCHES.contains(word)) {
        return false;
    }
    let is_key = matches!(*last, "KEY" | "KEYS" | "PRIVKEY")
        && !before.is_empty()
        && !before.iter().any(|word| OPEN_KEYS.contains(word));
    is_key || words.iter().any(|word| SECRETS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_what_they_hold_are_secrets() {
        for name in [
            "API_KEY",
            "APIKEY",
            "AWS_SECRET_ACCESS_KEY",
            "SECRET_KEY_BASE",
            "GITHUB_TOKEN",
            "token",
            "DB_PASSWORD",
            "DB_PASSWORD_2",
            "PASSWORD_MYSQL",
            "MYSQL_PASSWD",
            "SSH_PASSPHRASE",
            "GCP_CREDENTIALS",
            "TLS_PRIVATE_KEY",
            "KEYCLOAK_ADMIN_PASSWORD",
            "spring.datasource.password",
        ] {
            assert!(is_secret(name, false), "{name}");
        }
    }

    #[test]
    fn names_that_only_look_like_it_are_not() {
        for name in [
            "PATH",
            "MONKEY",
            "KEYCLOAK_URL",
            "KEYBOARD_LAYOUT",
            "TOKENIZERS_PARALLELISM",
            "AWS_ACCESS_KEY_ID",
            "DB_PASSWORD_FILE",
            "SECRET_NAME",
            "TOKEN_URL",
            "TOKEN_TTL",
            "VAULT_SECRETS_PORT_8200_TCP",
            "VAULT_SECRETS_PORT_8200_TCP_ADDR",
            "VAULT_SECRETS_SERVICE_HOST",
            "GPG_KEY",
            "JWT_PUBLIC_KEY",
            "SSH_AUTH_SOCK",
            "SORT_KEY",
            "KEY",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "REQUIRE_TOKEN",
            "___",
        ] {
            assert!(!is_secret(name, false), "{name}");
        }
    }

    #[test]
    fn a_value_that_was_dropped_under_a_plain_name_is_a_url_with_a_password() {
        assert!(is_secret("DATABASE_URL", true));
        assert!(!is_secret("DATABASE_URL", false));
    }
}
