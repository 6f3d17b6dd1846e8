//! What the names of certificate and key files say: which ones belong together, and which are no TLS key pair's at all.

/// Words of files that a client trusts others by.
const AUTHORITIES: [&str; 13] = [
    "ca",
    "cas",
    "cacert",
    "cacerts",
    "root",
    "roots",
    "rootca",
    "bundle",
    "trust",
    "trusted",
    "truststore",
    "issuer",
    "intermediate",
];
/// Words of keys for other uses.
const OTHER_KEYS: [&str; 20] = [
    "jwt",
    "jwks",
    "jwk",
    "sign",
    "signing",
    "signature",
    "ssh",
    "id",
    "pub",
    "public",
    "gpg",
    "pgp",
    "license",
    "licence",
    "encryption",
    "aes",
    "session",
    "cosign",
    "dkim",
    "dhparam",
];
/// Words that tell a certificate and its key apart.
const ROLES: [&str; 11] =
    ["cert", "certificate", "crt", "chain", "fullchain", "key", "private", "priv", "privkey", "pem", "tls"];

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The words of a name without its ending, in lower case.
fn words(path: &str) -> Vec<String> {
    let name = file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    stem.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// It may be a certificate or a key that a program shows to its peers.
pub(super) fn is_of_a_key_pair(path: &str) -> bool {
    // Nobody trusts another by a private key.
    let is_key = path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("key"));
    let is_other = |word: &str| OTHER_KEYS.contains(&word) || !is_key && AUTHORITIES.contains(&word);
    !words(path).iter().any(|word| is_other(word))
}

/// They lie side by side under names that differ in their roles alone: `tls.crt` and `tls.key`, `server.pem` and
/// `server-key.pem`.
pub(super) fn are_partners(certificate: &str, key: &str) -> bool {
    let subject = |path: &str| -> Vec<String> {
        words(path).into_iter().filter(|word| !ROLES.contains(&word.as_str())).collect()
    };
    certificate != key && directory(certificate) == directory(key) && subject(certificate) == subject(key)
}

/// The same file at another place.
pub(super) fn are_namesakes(one: &str, other: &str) -> bool {
    file_name(one) == file_name(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_authorities_and_keys_for_other_uses_are_no_key_pair() {
        for path in [
            "/certs/tls.crt",
            "server.key",
            "/a/cert.pem",
            "/a/privkey.pem",
            "/a/client-key.pem",
            "/a/root-only.key",
        ] {
            assert!(is_of_a_key_pair(path), "{path}");
        }
        for path in [
            "/etc/app/ca.pem",
            "/etc/app/client-ca.crt",
            "/x/ca-bundle.crt",
            "/x/jwt.key",
            "/x/jwt-signing.pem",
            "/root/.ssh/id_rsa.pem",
            "/x/license.key",
            "/x/public.pem",
            "/x/Root.crt",
        ] {
            assert!(!is_of_a_key_pair(path), "{path}");
        }
        // A directory of that name says nothing about its files.
        assert!(is_of_a_key_pair("/root/ca/tls.crt"));
    }

    #[test]
    fn partners_differ_in_their_roles_alone() {
        for (certificate, key) in [
            ("/certs/tls.crt", "/certs/tls.key"),
            ("server.pem", "server-key.pem"),
            ("/x/cert.pem", "/x/key.pem"),
            ("/x/fullchain.pem", "/x/privkey.pem"),
            ("/x/client-cert.pem", "/x/client-key.pem"),
        ] {
            assert!(are_partners(certificate, key), "{certificate} {key}");
        }
        for (certificate, key) in
            [("/a/tls.crt", "/b/tls.key"), ("/a/server.crt", "/a/client.key"), ("/a/tls.pem", "/a/tls.pem")]
        {
            assert!(!are_partners(certificate, key), "{certificate} {key}");
        }
    }
}
