//! How a conclusion, an event and a pattern look to people and to machines. Pure: values in, text out; no IO.

pub mod columns;
pub mod duration;
pub mod events;
pub mod explain;
pub mod format;
pub mod html;
pub mod incidents;
pub mod json;
pub mod markdown;
pub mod overview;
pub mod postmortem;
pub mod theme;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod schema;

pub use format::{Format, RenderError, render};
pub use theme::Theme;
