//! What the reference of an image is made of: `NAME[:TAG][@DIGEST]`, or an id alone. Pure.

/// Empty where the reference has no such part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Image<'a> {
    pub(super) name: &'a str,
    pub(super) tag: &'a str,
    /// `NAME@DIGEST`, as runtimes print the digest of a repository.
    pub(super) digest: String,
    pub(super) id: &'a str,
}

impl<'a> Image<'a> {
    pub(super) fn of(reference: &'a str) -> Self {
        if reference.starts_with("sha256:") {
            return Self { id: reference, ..Self::default() };
        }
        let (named, digest) = reference.split_once('@').unwrap_or((reference, ""));
        // A colon before the last slash is that of a registry's port.
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            Some(_) | None => (named, ""),
        };
        let digest = if digest.is_empty() { String::new() } else { format!("{name}@{digest}") };
        Self { name, tag, digest, id: "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_falls_into_its_parts() {
        for (reference, name, tag, digest, id) in [
            ("api", "api", "", "", ""),
            ("shop/api:1.4", "shop/api", "1.4", "", ""),
            ("localhost:5000/api", "localhost:5000/api", "", "", ""),
            ("localhost:5000/api:2", "localhost:5000/api", "2", "", ""),
            ("api:1@sha256:ab", "api", "1", "api@sha256:ab", ""),
            ("sha256:ab", "", "", "", "sha256:ab"),
            ("", "", "", "", ""),
        ] {
            let expected = Image { name, tag, digest: digest.to_owned(), id };
            assert_eq!(Image::of(reference), expected, "{reference}");
        }
    }
}
