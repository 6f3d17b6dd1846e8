//! Stand-in.
use crate::{
    cli::{args::Selection, target::Target},
    command::exit::*,
    model::container::*,
};
#[derive(Clone)]
pub struct Listed {
    pub id: ContainerId,
    pub identity: Identity,
    pub running: bool,
}
impl Listed {
    pub fn is_over(&self) -> bool {
        !self.running
    }
}
pub async fn all(_h: &crate::inspect::Host, _s: &[std::path::PathBuf]) -> Vec<Listed> {
    Vec::new()
}
pub fn resolve<'a>(l: &'a [Listed], _t: &Target, _s: &Selection) -> Result<&'a Listed, Failure> {
    l.first().ok_or_else(|| Failure::new(Exit::NotFound, anyhow::anyhow!("x")))
}
pub fn resolve_any<'a>(l: &'a [Listed], _t: Option<&Target>, _s: &Selection) -> Result<&'a Listed, Failure> {
    l.first().ok_or_else(|| Failure::new(Exit::NotFound, anyhow::anyhow!("x")))
}
