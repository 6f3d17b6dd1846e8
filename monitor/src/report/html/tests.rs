//! The stylesheet: the policy names its digest, and its colours can be read.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::*;

#[test]
fn the_policy_lets_in_the_one_stylesheet_and_nothing_else() {
    let digest = format!("sha256-{}", data_encoding::BASE64.encode(&Sha256::digest(STYLE)));
    assert_eq!(
        style_digest!(),
        digest,
        "the stylesheet has changed: the macro `style_digest` takes this digest"
    );
    for policy in [POLICY, POLICY_WITH_FORM, POLICY_HEADER] {
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("script"),
            "{policy}"
        );
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
}

/// The colours of a block of custom properties.
fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let pairs = block.lines().filter_map(|line| line.trim().trim_end_matches(';').split_once(": #"));
    let channel = |hex: &str, at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
    pairs.map(|(name, hex)| (name, [channel(hex, 0), channel(hex, 2), channel(hex, 4)])).collect()
}

/// Relative luminance, <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let [r, g, b] = colour.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn every_text_has_the_contrast_of_wcag_aa_in_both_schemes() {
    let blocks: Vec<&str> =
        STYLE.split(":root {").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let (light, dark) = (colours(blocks[0]), colours(blocks[1]));
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        let mut pairs = Vec::new();
        for text in ["--text", "--soft", "--link", "--error", "--warning", "--info", "--good"] {
            pairs.extend([(text, "--page"), (text, "--card")]);
        }
        for severity in ["--error", "--warning", "--info", "--good"] {
            pairs.push((severity, format!("{severity}-soft").leak()));
        }
        pairs.extend([("--text", "--info-soft"), ("--link", "--info-soft"), ("--soft", "--info-soft")]);
        for (text, ground) in pairs {
            let found = contrast(colours[text], colours[ground]);
            assert!(found >= 4.5, "{scheme}: {text} on {ground} has {found:.2}");
        }
    }
}
