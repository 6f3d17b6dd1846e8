//! Tells from the first bytes of a write(2) whether a TLS client refuses the server's certificate.

#![expect(
    clippy::inline_always,
    reason = "the verifier follows one program, not calls with pointers to the stack"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "constant bounds; a checked index would bring a panic into the kernel"
)]

/// Bytes that [`is_refusal`] looks at.
pub const PREFIX: usize = 8;

/// The lengths of the writes that can be a refusal; every other write is none of ours.
#[inline(always)]
#[must_use]
pub const fn may_be_refusal(written: i64) -> bool {
    matches!(written, 7 | 30)
}

/// Go's crypto/tls after a failed verification (RFC 5246 7.2, RFC 8446 6 and D.4): in TLS 1.2 a plain fatal alert
/// `bad_certificate`; in TLS 1.3 the compatibility `change_cipher_spec` and one encrypted record of alert size
/// (19 bytes) in a single write. A successful handshake writes at least 64 bytes there.
#[inline(always)]
#[must_use]
pub fn is_refusal(prefix: &[u8; PREFIX], written: i64) -> bool {
    const TLS12: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 42];
    const TLS13: [u8; 8] = [0x14, 3, 3, 0, 1, 1, 0x17, 3];
    let mut differ = 0_u8;
    let mut i = 0;
    while i < 7 {
        differ |= prefix[i] ^ if written == 7 { TLS12[i] } else { TLS13[i] };
        i += 1;
    }
    differ == 0 && (written == 7 || (written == 30 && prefix[7] == TLS13[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_both_protocol_versions_are_told_from_other_writes() {
        assert!(is_refusal(&[0x14, 3, 3, 0, 1, 1, 0x17, 3], 30));
        assert!(is_refusal(&[0x15, 3, 3, 0, 2, 2, 42, 0xff], 7));
        // close_notify is a warning, not a refusal.
        assert!(!is_refusal(&[0x15, 3, 3, 0, 2, 1, 0, 0], 7));
        assert!(!is_refusal(b"GET / HT", 30));
        assert!(!may_be_refusal(24));
    }
}
