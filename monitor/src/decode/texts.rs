//! Strings of records that come again and again: the same bytes give the same shared string.

use std::{collections::HashMap, sync::Arc};

/// Strings that are kept; then the table begins anew.
const MAX_TEXTS: usize = 2048;

/// What was decoded of late.
#[derive(Debug, Default)]
pub(super) struct Texts(HashMap<Box<[u8]>, Arc<str>>);

impl Texts {
    /// Up to the first NUL, as lossy UTF-8.
    pub(super) fn shared(&mut self, bytes: &[u8]) -> Arc<str> {
        let bytes = until_nul(bytes);
        if let Some(known) = self.0.get(bytes) {
            return Arc::clone(known);
        }
        if self.0.len() >= MAX_TEXTS {
            self.0.clear();
        }
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        self.0.insert(bytes.into(), Arc::clone(&text));
        text
    }
}

/// Up to the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_share_one_string_and_the_table_is_bounded() {
        let mut texts = Texts::default();
        let first = texts.shared(b"libc.so.6\0garbage");
        assert!(Arc::ptr_eq(&first, &texts.shared(b"libc.so.6\0other")));
        assert_eq!(&*texts.shared(b"a\xff\0"), "a\u{fffd}");
        for number in 0..2 * MAX_TEXTS {
            texts.shared(number.to_string().as_bytes());
        }
        assert!(texts.0.len() <= MAX_TEXTS);
        assert_eq!(&*first, "libc.so.6");
    }
}
