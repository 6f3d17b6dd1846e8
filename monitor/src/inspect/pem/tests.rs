//! Certificates and keys made with OpenSSL for these tests, read as a container's user meets them.

use std::{fs, time::Duration};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::{
    inspect::{Deadline, oci, source, testing::TestHost},
    model::pem::PemKey,
};

/// A file of `testdata/pem`.
macro_rules! testdata {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/pem/", $name)).as_slice()
    };
}

const CERTIFICATE: &str = "/etc/tls/tls.crt";

fn contents(bytes: &[u8]) -> PemContents {
    let pem = of_bytes(bytes);
    let Known::Is(Pem::Present(contents)) = pem else { panic!("{pem:?}") };
    contents
}

fn certified(bytes: &[u8]) -> String {
    contents(bytes).certificates.swap_remove(0).public
}

fn key(bytes: &[u8]) -> PemKey {
    contents(bytes).key.unwrap()
}

fn why_unknown(bytes: &[u8]) -> String {
    let pem = of_bytes(bytes);
    let Known::Unknown(reason) = pem else { panic!("{pem:?}") };
    reason
}

fn der(pem: &[u8]) -> Vec<u8> {
    let section = armour::sections(pem).pop().unwrap();
    section.der().unwrap().to_vec()
}

/// One ASN.1 object of at most 64 KiB.
fn object(tag: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&[tag, 0x83], &length[1..], data].concat()
}

fn armoured(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn a_key_and_its_certificate_tell_the_same_in_every_form_of_the_key() {
    let rsa = certified(testdata!("rsa.crt"));
    for bytes in [testdata!("rsa.key"), testdata!("rsa-pkcs1.key")] {
        assert_eq!(key(bytes), PemKey { kind: "RSA".to_owned(), public: Some(rsa.clone()) });
    }
    let ec = certified(testdata!("ec.crt"));
    for bytes in [testdata!("ec.key"), testdata!("ec-pkcs8.key"), testdata!("ec-compressed.key")] {
        assert_eq!(key(bytes), PemKey { kind: "EC".to_owned(), public: Some(ec.clone()) });
    }
    assert_eq!(certified(testdata!("expired.crt")), ec, "the same key in another certificate");
}

#[test]
fn keys_that_are_no_pair_differ() {
    let all = [testdata!("rsa.crt"), testdata!("ec.crt"), testdata!("ed25519.crt")].map(certified);
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    assert_ne!(key(testdata!("rsa.key")).public.unwrap(), all[1]);
}

#[test]
fn a_key_without_its_public_half_tells_none() {
    let ed25519 = key(testdata!("ed25519.key"));
    assert_eq!(ed25519, PemKey { kind: "Ed25519".to_owned(), public: None });
    assert_eq!(key(testdata!("ec-no-public.key")), PemKey { kind: "EC".to_owned(), public: None });
}

#[test]
fn a_public_half_beside_the_key_is_told_in_both_spellings() {
    let (plain, public) = (der(testdata!("ed25519.key")), certified(testdata!("ed25519.crt")));
    let bits = [&[0][..], &data_encoding::HEXLOWER.decode(public.as_bytes()).unwrap()].concat();
    let implicit = [&[0x81, 33][..], &bits].concat();
    let explicit = [&[0xa1, 35, 0x03, 33][..], &bits].concat();
    for beside in [implicit, explicit] {
        let with_public = object(0x30, &[&plain[2..], &beside].concat());
        assert_eq!(key(armoured("PRIVATE KEY", &with_public).as_bytes()).public, Some(public.clone()));
    }
}

#[test]
fn der_without_armour_is_read_too() {
    assert_eq!(certified(&der(testdata!("ec.crt"))), certified(testdata!("ec.crt")));
    for bytes in
        [testdata!("rsa.key"), testdata!("rsa-pkcs1.key"), testdata!("ec.key"), testdata!("ed25519.key")]
    {
        assert_eq!(key(&der(bytes)), key(bytes));
    }
}

#[test]
fn a_key_behind_a_password_is_a_key_and_not_corrupt() {
    let encrypted = key(testdata!("encrypted.key"));
    assert_eq!(encrypted, PemKey { kind: "encrypted".to_owned(), public: None });
    assert_eq!(key(&der(testdata!("encrypted.key"))), encrypted);
    let old =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(key(old.as_bytes()), encrypted);
}

#[test]
fn validity_and_subject_are_the_certificates_own() {
    let expired = contents(testdata!("expired.crt")).certificates.swap_remove(0);
    assert_eq!(expired.subject, "CN=expired.test");
    assert_eq!((expired.not_before_s, expired.not_after_s), (1_577_836_800, 1_609_459_200));
    assert!(contents(testdata!("expired.crt")).looked_s > expired.not_after_s);
}

#[test]
fn a_file_may_hold_a_chain_and_the_key_and_the_first_certificate_comes_first() {
    let chain = [testdata!("rsa.crt"), testdata!("ec.crt"), testdata!("rsa.key")].concat();
    let contents = contents(&chain);
    let subjects: Vec<_> = contents.certificates.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["CN=rsa.test", "CN=ec.test"]);
    assert_eq!(contents.key.unwrap().public.as_ref(), Some(&contents.certificates[0].public));
}

#[test]
fn white_space_is_empty_and_noise_is_corrupt() {
    for bytes in [&b""[..], b" \r\n\t\n"] {
        assert_eq!(of_bytes(bytes), Known::Is(Pem::Empty));
    }
    let cut = &testdata!("rsa.crt")[..400];
    let wrong = armoured("CERTIFICATE", b"no certificate");
    let key = armoured("PRIVATE KEY", b"no key");
    let byte_order_mark = [b"\xef\xbb\xbf", testdata!("rsa.crt")].concat();
    for bytes in [b"noise", cut, wrong.as_bytes(), key.as_bytes(), b"\x30\x80\x00", &byte_order_mark] {
        assert_eq!(of_bytes(bytes), Known::Is(Pem::Corrupt), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn what_is_something_else_is_not_called_corrupt() {
    let other = "it holds neither a certificate nor a private key";
    assert_eq!(why_unknown(testdata!("public.pem")), other);
    assert_eq!(why_unknown(armoured("OPENSSH PRIVATE KEY", b"openssh-key-v1").as_bytes()), other);
    assert!(why_unknown(&der(testdata!("public.pem"))).starts_with("it is DER of something else"));
    let second = [armoured("CERTIFICATE", b"no").as_bytes(), testdata!("ec.crt")].concat();
    assert!(why_unknown(&second).starts_with("its first certificate does not parse"));
}

#[test]
fn hostile_files_cost_little() {
    let chain = testdata!("ec.crt").repeat(CERTIFICATE_LIMIT + 3);
    assert_eq!(contents(&chain).certificates.len(), CERTIFICATE_LIMIT);
    // A number without end where an algorithm should be named.
    let number = [vec![0x2a], vec![0xff; 200_000], vec![0x7f]].concat();
    let algorithm = object(0x30, &object(0x06, &number));
    let pkcs8 = object(0x30, &[&[2, 1, 0][..], &algorithm, &object(0x04, &[])].concat());
    assert_eq!(key(&pkcs8).kind, "unknown");
    // A key in a key in a key.
    let rsa = der(testdata!("rsa.key"))[7..22].to_vec();
    let nest = |inner: Vec<u8>| object(0x30, &[&[2, 1, 0][..], &rsa, &object(0x04, &inner)].concat());
    let nested = (0..10_000).fold(Vec::new(), |inner, _| nest(inner));
    assert!(matches!(of_bytes(&nested), Known::Unknown(_)));
    // Objects that claim more than there is.
    for bytes in [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x0a, 0x02, 0x7f, 0x00]] {
        assert_eq!(of_bytes(bytes), Known::Is(Pem::Corrupt));
    }
}

#[test]
fn a_very_long_name_is_not_written_down() {
    let certificate = der(testdata!("ec.crt"));
    let (at, name) = (b"ec.test", "CN=ec.test");
    assert!(certificate.windows(at.len()).any(|window| window == at) && subject_of(&certificate) == name);
    // The name of the same certificate with an attribute of 100,000 bytes instead.
    let number = [vec![0x55, 0x04], vec![0xff; 100_000], vec![0x7f]].concat();
    let attribute = object(0x30, &[object(0x06, &number), object(0x0c, b"x")].concat());
    let long = object(0x30, &object(0x31, &attribute));
    assert_eq!(subject_of(&renamed(&certificate, &long)), "(a very long name)");
}

fn subject_of(der: &[u8]) -> String {
    contents(der).certificates.swap_remove(0).subject
}

/// A certificate of another name for issuer and subject.
fn renamed(der: &[u8], name: &[u8]) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let old = certificate.subject().as_raw();
    let (_, outer) = Any::from_der(der).unwrap();
    let (rest, body) = Any::from_der(outer.data).unwrap();
    let (mut data, mut new_body) = (body.data, Vec::new());
    while !data.is_empty() {
        if let Some(behind) = data.strip_prefix(old) {
            new_body.extend(name);
            data = behind;
        } else {
            new_body.push(data[0]);
            data = &data[1..];
        }
    }
    object(0x30, &[&object(0x30, &new_body), rest].concat())
}

#[test]
fn the_file_is_what_the_containers_user_meets() {
    let of = |host: &TestHost, path: &str| find(&host.root(), path);
    let host = TestHost::new().user(1000).mode(CERTIFICATE, testdata!("ec.crt"), 0o644);
    assert!(matches!(of(&host, CERTIFICATE), Known::Is(Pem::Present(_))));
    let missing = "/etc/tls/other.crt".to_owned();
    assert_eq!(of(&host, &missing), Known::Is(Pem::Absent { missing: missing.clone() }));
    assert_eq!(of(&host, "/etc/tls"), Known::Is(Pem::Directory));
    let host = host.mode(CERTIFICATE, testdata!("ec.crt"), 0o600);
    assert_eq!(of(&host, CERTIFICATE), Known::Is(Pem::Unreadable("mode 0600, owner 0:0".to_owned())));
    let host = host.directory("/etc/tls", 0o700);
    let closed = Pem::Unreadable("the directory /etc/tls has mode 0700".to_owned());
    assert_eq!(of(&host, CERTIFICATE), Known::Is(closed));
}

#[test]
fn links_stay_inside_and_pipes_and_huge_files_are_not_read() {
    let host = TestHost::new()
        .file("/data/tls.crt", testdata!("ec.crt"))
        .link("/etc/tls.crt", "../../../data/tls.crt");
    assert!(matches!(find(&host.root(), "/etc/tls.crt"), Known::Is(Pem::Present(_))));
    mknodat(CWD, host.inside("/etc/pipe.pem"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    assert!(
        matches!(find(&host.root(), "/etc/pipe.pem"), Known::Unknown(why) if why.contains("not a regular file"))
    );
    fs::File::options().write(true).open(host.inside("/data/tls.crt")).unwrap().set_len(1 << 30).unwrap();
    assert!(matches!(find(&host.root(), "/etc/tls.crt"), Known::Unknown(why) if why.contains("larger than")));
}

#[test]
fn a_look_out_of_time_says_so() {
    let host = TestHost::new().file(CERTIFICATE, testdata!("ec.crt"));
    let directory = host.bundle();
    let bundle = oci::read(&host.host, &directory.path).unwrap();
    let deadline = Deadline::after(Duration::ZERO);
    let root = source::of_bundle(&host.host, &bundle, &directory.path, None, deadline).unwrap();
    assert!(matches!(find(&root, CERTIFICATE), Known::Unknown(why) if why.contains("out of time")));
}
