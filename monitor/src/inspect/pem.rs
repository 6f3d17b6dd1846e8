//! Reads a file with certificates or a private key, in PEM or bare DER. Tells whether they parse and fit, and never keeps
//! the private half.

mod armour;
pub(super) mod key;

use x509_parser::{
    asn1_rs::{Any, Tag},
    certificate::X509Certificate,
    prelude::FromDer,
};
use zeroize::Zeroizing;

use self::{armour::Holds, key::Algorithm};
use super::{error_text, found::Lookup, root::ContainerRoot, trust::now_s};
use crate::model::{
    access::READ,
    fact::{FileKind, Known},
    pem::{Pem, PemCertificate, PemContents},
};

/// A chain of four certificates has 8 KiB, a bundle of all public roots 0.2 MiB.
const LIMIT_BYTES: u64 = 1 << 20;
/// The server's own comes first, a chain seldom has more than four.
const CERTIFICATE_LIMIT: usize = 8;
/// To write down a number in a name takes x509-parser the square of its length.
const SUBJECT_LIMIT_BYTES: usize = 512;

/// What the file at `path` holds for the container's user.
pub(super) fn find(root: &ContainerRoot<'_>, path: &str) -> Known<Pem> {
    let found = match root.look(path) {
        Ok(Lookup::Found(found)) => found,
        Ok(Lookup::Absent { missing }) => return Known::Is(Pem::Absent { missing }),
        Err(error) => return Known::unknown(error_text(&error)),
    };
    let is_reachable_directory = found.kind == FileKind::Directory && found.closed_directory.is_none();
    if is_reachable_directory {
        return Known::Is(Pem::Directory);
    }
    if let Some(reason) = found.closed_to(&root.user, READ) {
        return Known::Is(Pem::Unreadable(reason));
    }
    match found.read(LIMIT_BYTES) {
        Ok(bytes) => of_bytes(&Zeroizing::new(bytes)),
        Err(error) => Known::unknown(error_text(&error)),
    }
}

pub(super) fn of_bytes(bytes: &[u8]) -> Known<Pem> {
    if bytes.trim_ascii().is_empty() {
        return Known::Is(Pem::Empty);
    }
    let mut sections = Sections::default();
    for section in armour::sections(bytes) {
        sections.take(&section);
    }
    sections.verdict().unwrap_or_else(|| of_der(bytes))
}

/// What the sections of a PEM file add up to.
#[derive(Default)]
struct Sections {
    contents: PemContents,
    /// A certificate does not parse, before any that does.
    starts_broken: bool,
    is_broken: bool,
    has_others: bool,
}

impl Sections {
    fn take(&mut self, section: &armour::Section<'_>) {
        match section.holds() {
            Holds::Certificate => match section.der().and_then(|der| certificate(&der)) {
                Some(certificate) if self.contents.certificates.len() < CERTIFICATE_LIMIT => {
                    self.contents.certificates.push(certificate);
                }
                Some(_) => {}
                None => {
                    self.is_broken = true;
                    self.starts_broken |= self.contents.certificates.is_empty();
                }
            },
            Holds::Key => match section.der().and_then(|der| key::parse(&der)) {
                Some(key) => drop(self.contents.key.get_or_insert(key)),
                None => self.is_broken = true,
            },
            Holds::EncryptedKey => drop(self.contents.key.get_or_insert_with(key::encrypted)),
            Holds::Other => self.has_others = true,
        }
    }

    /// `None`: there are no sections.
    fn verdict(self) -> Option<Known<Pem>> {
        let has_certificates = !self.contents.certificates.is_empty();
        if has_certificates && self.starts_broken {
            return Some(Known::unknown("its first certificate does not parse, a later one does"));
        }
        if has_certificates || self.contents.key.is_some() {
            return Some(Known::Is(present(self.contents)));
        }
        if self.is_broken {
            return Some(Known::Is(Pem::Corrupt));
        }
        self.has_others.then(|| Known::unknown("it holds neither a certificate nor a private key"))
    }
}

/// A file without PEM sections.
fn of_der(bytes: &[u8]) -> Known<Pem> {
    let certificates: Vec<_> = certificate(bytes).into_iter().collect();
    let key = if certificates.is_empty() { key::parse(bytes) } else { None };
    if !certificates.is_empty() || key.is_some() {
        return Known::Is(present(PemContents { certificates, key, looked_s: 0 }));
    }
    match Any::from_der(bytes) {
        Ok(([], any)) if any.tag() == Tag::Sequence => {
            Known::unknown("it is DER of something else than a certificate or a private key")
        }
        Ok(_) | Err(_) => Known::Is(Pem::Corrupt),
    }
}

fn present(contents: PemContents) -> Pem {
    Pem::Present(PemContents { looked_s: now_s(), ..contents })
}

fn certificate(der: &[u8]) -> Option<PemCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let key = certificate.public_key();
    let algorithm = Algorithm::of(&key.algorithm.algorithm);
    Some(PemCertificate {
        subject: subject(&certificate),
        not_before_s: validity.not_before.timestamp(),
        not_after_s: validity.not_after.timestamp(),
        public: algorithm.telling_part(&key.subject_public_key.data)?,
    })
}

fn subject(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.subject();
    if name.as_raw().len() > SUBJECT_LIMIT_BYTES { "(a very long name)".to_owned() } else { name.to_string() }
}

#[cfg(test)]
mod tests;
