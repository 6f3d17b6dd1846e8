//! Kubernetes Events about what is found in pods, for those who look at a pod with kubectl. Decides by values in [`books`];
//! never holds up the pipeline, and never reads anything from the API but the answers to its own writes.

#[cfg(feature = "kubernetes")]
mod answer;
#[cfg(feature = "kubernetes")]
mod books;
#[cfg(feature = "kubernetes")]
mod budget;
#[cfg(feature = "kubernetes")]
mod client;
#[cfg(feature = "kubernetes")]
mod event;
#[cfg(feature = "kubernetes")]
mod note;
#[cfg(feature = "kubernetes")]
mod poster;
#[cfg(feature = "kubernetes")]
mod regarding;
#[cfg(all(test, feature = "kubernetes"))]
mod testing;

#[cfg(feature = "kubernetes")]
pub use poster::{Handle, Poster};

/// What became of the events since the agent started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Posted {
    pub created: u64,
    pub patched: u64,
    /// Tries that did not succeed, and come again.
    pub failed: u64,
    /// Writes that the API does not take.
    pub refused: u64,
    /// News that found no place, or that were not written before the end.
    pub dropped: u64,
    /// Containers and patterns whose news wait.
    pub waiting: u64,
}
