//! What the public half of a key is, from a private key in DER or from a certificate. The private numbers are stepped
//! over: they are neither compared nor kept.

use data_encoding::HEXLOWER;
use x509_parser::{
    asn1_rs::{Any, Class, Oid, Tag},
    prelude::FromDer,
};

use crate::model::pem::PemKey;

/// A key of RSA has nine members, one of more than two primes one more.
const MEMBER_LIMIT: usize = 16;
/// Those of keys have a dozen.
const OID_LIMIT_BYTES: usize = 32;
/// So many of the last bytes of a random number tell it from every other.
const TELLING_BYTES: usize = 32;

/// What a key is for, and how its public half is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Algorithm {
    name: String,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `RSAPublicKey` of RFC 8017: modulus and exponent.
    Rsa,
    /// A point of SEC 1, 2.3.3: compressed or not.
    Point,
    /// Bytes.
    Plain,
}

impl Algorithm {
    pub(super) fn of(oid: &Oid<'_>) -> Self {
        // To write down a number takes x509-parser the square of its length.
        let oid = if oid.as_bytes().len() > OID_LIMIT_BYTES { String::new() } else { oid.to_id_string() };
        let (name, form) = match oid.as_str() {
            "" => ("unknown", Form::Plain),
            "1.2.840.113549.1.1.1" => ("RSA", Form::Rsa),
            "1.2.840.113549.1.1.10" => ("RSA-PSS", Form::Rsa),
            "1.2.840.10045.2.1" => ("EC", Form::Point),
            "1.3.101.112" => ("Ed25519", Form::Plain),
            "1.3.101.113" => ("Ed448", Form::Plain),
            other => (other, Form::Plain),
        };
        Self { name: name.to_owned(), form }
    }

    /// The part of a public key that is the same in every way to write it, as hexadecimal digits: of RSA the end of the
    /// modulus, of a curve that of the point's first coordinate. `public` is the bit string of a `SubjectPublicKeyInfo`.
    pub(super) fn telling_part(&self, public: &[u8]) -> Option<String> {
        let number = match self.form {
            Form::Rsa => {
                members(sequence(public)?)?.first().filter(|modulus| is(modulus, Tag::Integer))?.data
            }
            Form::Point => first_coordinate(public)?,
            Form::Plain => public,
        };
        digits(number)
    }

    fn key(self, public: Option<String>) -> PemKey {
        PemKey { kind: self.name, public }
    }
}

fn digits(number: &[u8]) -> Option<String> {
    let last = number.get(number.len().saturating_sub(TELLING_BYTES)..)?;
    (!last.is_empty()).then(|| HEXLOWER.encode(last))
}

fn first_coordinate(point: &[u8]) -> Option<&[u8]> {
    match point.split_first()? {
        (2 | 3, first) => Some(first),
        (4 | 6 | 7, both) => both.get(..both.len() / 2),
        _ => None,
    }
}

/// A key that only a password opens.
pub(super) fn encrypted() -> PemKey {
    PemKey { kind: "encrypted".to_owned(), public: None }
}

/// The private key, in whichever of its forms.
pub(in crate::inspect) fn parse(der: &[u8]) -> Option<PemKey> {
    let members = members(sequence(der)?)?;
    match members.as_slice() {
        // PKCS #8, RFC 5958: version, algorithm, key; then attributes and the public key.
        [version, algorithm, key, rest @ ..]
            if is(version, Tag::Integer) && is(algorithm, Tag::Sequence) && is(key, Tag::OctetString) =>
        {
            pkcs8(algorithm.data, key.data, rest)
        }
        // EncryptedPrivateKeyInfo of the same RFC.
        [algorithm, key] if is(algorithm, Tag::Sequence) && is(key, Tag::OctetString) => Some(encrypted()),
        members => pkcs1(members).or_else(|| sec1(members)),
    }
}

fn pkcs8(algorithm: &[u8], key: &[u8], rest: &[Any<'_>]) -> Option<PemKey> {
    let identifier = members(algorithm)?;
    let algorithm = Algorithm::of(&Oid::try_from(identifier.first()?).ok()?);
    // A key of these forms that does not parse is none.
    let within = match algorithm.form {
        Form::Rsa => pkcs1(&members(sequence(key)?)?)?.public,
        Form::Point => sec1(&members(sequence(key)?)?)?.public,
        Form::Plain => None,
    };
    let public = within.or_else(|| algorithm.telling_part(rest.iter().find_map(|m| tagged(m, 1))?));
    Some(algorithm.key(public))
}

/// RFC 8017: version, modulus, public and private exponent, two primes and three numbers made from them.
fn pkcs1(members: &[Any<'_>]) -> Option<PemKey> {
    let numbers = members.get(..9)?;
    let modulus = numbers.get(1).filter(|_| numbers.iter().all(|number| is(number, Tag::Integer)))?;
    Some(PemKey { kind: "RSA".to_owned(), public: digits(modulus.data) })
}

/// RFC 5915: version, key; then curve and public key, each with a tag of its own.
fn sec1(members: &[Any<'_>]) -> Option<PemKey> {
    let [version, key, rest @ ..] = members else { return None };
    if version.data != [1] || !is(version, Tag::Integer) || !is(key, Tag::OctetString) {
        return None;
    }
    let point = rest.iter().find_map(|member| tagged(member, 1));
    let public = point.and_then(first_coordinate).and_then(digits);
    Some(PemKey { kind: "EC".to_owned(), public })
}

/// The bits behind a context-specific tag, which replaces that of the bit string or stands before it.
fn tagged<'d>(member: &Any<'d>, tag: u32) -> Option<&'d [u8]> {
    if member.class() != Class::ContextSpecific || member.tag() != Tag(tag) {
        return None;
    }
    let string = if member.header.is_constructed() {
        Any::from_der(member.data).ok().filter(|(_, inner)| is(inner, Tag::BitString))?.1.data
    } else {
        member.data
    };
    // The first byte counts the bits that are not used.
    string.strip_prefix(&[0])
}

fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (_, any) = Any::from_der(der).ok()?;
    is(&any, Tag::Sequence).then_some(any.data)
}

fn members(mut data: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut members = Vec::new();
    while !data.is_empty() {
        if members.len() >= MEMBER_LIMIT {
            return None;
        }
        let (rest, member) = Any::from_der(data).ok()?;
        members.push(member);
        data = rest;
    }
    Some(members)
}

fn is(any: &Any<'_>, tag: Tag) -> bool {
    any.class() == Class::Universal && any.tag() == tag
}
