//! `gomon explain`: the manual of a pattern, or the list of them.

use anyhow::anyhow;

use super::{
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::{
    cli::{args::ExplainArgs, parse::PageFormat},
    nearest::nearest,
    patterns::{self, CATALOGUE, Pattern},
    report::explain,
};

pub(super) fn run(args: &ExplainArgs, output: Output) -> Result<Exit, Failure> {
    let text = match (&args.pattern, args.output) {
        (None, PageFormat::Columns) => explain::list(CATALOGUE, &output.theme()),
        (None, PageFormat::Markdown) => explain::book(CATALOGUE),
        (Some(id), PageFormat::Columns) => explain::text(pattern(id)?, &output.theme()),
        (Some(id), PageFormat::Markdown) => explain::markdown(pattern(id)?, 1),
    };
    output.print(&text).or_exit(Exit::Usage)?;
    Ok(Exit::Nothing)
}

fn pattern(id: &str) -> Result<&'static Pattern, Failure> {
    patterns::find(id).ok_or_else(|| {
        let near = nearest(id, CATALOGUE.iter().map(|pattern| pattern.id));
        let hint = near.map_or_else(
            || "`gomon explain` lists them".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        Failure::new(
            Exit::Usage,
            anyhow!("there is no pattern \"{}\"; {hint}", crate::model::text::inert(id)),
        )
    })
}
