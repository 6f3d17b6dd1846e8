//! The frame of every HTML page: one stylesheet, no script, nothing from elsewhere. Escapes by construction; a browser that is
//! shown a page loads nothing, and applies no style but the one whose digest the policy names.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::model::{diagnosis::Severity, incident::EPOCH, time::BootNs};

/// The one stylesheet.
const STYLE: &str = include_str!("html/style.css");

/// The digest of the stylesheet; a test knows when it has changed.
macro_rules! style_digest {
    () => {
        "sha256-/gH9rTnUJDLdKXPkwwj45EZ2q06mr0DrjghhPxefcTs="
    };
}

/// What a page may do: apply the stylesheet.
const POLICY: &str =
    concat!("default-src 'none'; style-src '", style_digest!(), "'; base-uri 'none'; form-action 'none'");
/// What a page with a form may do: also ask its own server.
const POLICY_WITH_FORM: &str =
    concat!("default-src 'none'; style-src '", style_digest!(), "'; base-uri 'none'; form-action 'self'");
/// The same for the header of an answer, which alone can say who may frame it.
pub const POLICY_HEADER: &str = concat!(
    "default-src 'none'; style-src '",
    style_digest!(),
    "'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
);

/// Whether a page asks its server something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    None,
    Own,
}

/// A page; `body` holds its `header`, `main` and `footer`.
pub(super) fn page(title: &str, form: Form, body: &Markup) -> String {
    let policy = match form {
        Form::None => POLICY,
        Form::Own => POLICY_WITH_FORM,
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) " - gomon" }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string() + "\n"
}

/// The severity as a word, with its colour.
pub(super) fn badge(severity: Severity) -> Markup {
    html! { span class={ "badge " (severity.name()) } { (severity.name()) } }
}

/// A time that people and programs read.
pub(super) fn time(at: BootNs) -> Markup {
    let utc = EPOCH.rfc3339(at);
    html! { time datetime=(utc) { (utc.replace('T', " ").trim_end_matches('Z')) } }
}

/// A sentence whose times programs read, too, and no line tears apart.
pub(super) fn sentence(text: &str) -> Markup {
    html! {
        @for (number, word) in text.split(' ').enumerate() {
            @if number > 0 { " " }
            @let bare = word.trim_end_matches(['.', ',', ':', ';']);
            @if is_time(bare) { time datetime=(bare) { (bare) } (word.get(bare.len()..).unwrap_or_default()) } @else { (word) }
        }
    }
}

fn is_time(word: &str) -> bool {
    word.len() < 40 && word.contains('T') && word.ends_with('Z') && word.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests;
