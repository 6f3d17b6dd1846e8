//! What a file with a certificate or a private key holds, as far as gomon looks: never the key itself.

use serde::{Deserialize, Serialize};

/// A PEM file of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pem {
    /// The first component that does not exist.
    Absent {
        missing: String,
    },
    Directory,
    /// The container's user may not read it, and why.
    Unreadable(String),
    /// No bytes but white space.
    Empty,
    /// Neither a certificate nor a private key parses, and it is nothing else that is known.
    Corrupt,
    Present(PemContents),
}

/// What parses in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PemContents {
    /// The first one is the server's own.
    pub certificates: Vec<PemCertificate>,
    pub key: Option<PemKey>,
    /// When gomon looked, seconds since the Unix epoch.
    pub looked_s: i64,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PemCertificate {
    pub subject: String,
    /// Seconds since the Unix epoch.
    pub not_before_s: i64,
    pub not_after_s: i64,
    /// What tells its public key from every other, in the same words as [`PemKey::public`].
    pub public: String,
}

/// A private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PemKey {
    /// `RSA`, `EC`, `Ed25519`, …; `encrypted` where only a password tells.
    pub kind: String,
    /// As in a certificate of this key: the end of its public number, in hexadecimal digits. `None` where the file does not
    /// tell it.
    pub public: Option<String>,
}
