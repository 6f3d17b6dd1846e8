//! From an engine's knowledge to printed conclusions and an exit code.

use super::{
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::{
    cli::args::ReportArgs,
    model::{
        diagnosis::{Conclusion, Verdict},
        time::BootEpoch,
    },
    report::render,
};

/// Prints them and says how the command ends.
pub(super) fn print(
    mut conclusions: Vec<Conclusion>,
    args: &ReportArgs,
    epoch: BootEpoch,
    output: Output,
) -> Result<Exit, Failure> {
    let exit = exit(&conclusions, args);
    for conclusion in &mut conclusions {
        conclusion.diagnoses.retain(|diagnosis| diagnosis.severity >= args.min_severity);
        let text = render(conclusion, args.output, epoch, &output.theme()).or_exit(Exit::Usage)?;
        output.print(&text).or_exit(Exit::Usage)?;
    }
    Ok(exit)
}

/// A finding outweighs what could not be seen.
fn exit(conclusions: &[Conclusion], args: &ReportArgs) -> Exit {
    let fails = |conclusion: &Conclusion| conclusion.diagnoses.iter().any(|one| one.severity >= args.fail_on);
    if conclusions.iter().any(fails) {
        Exit::Findings
    } else if conclusions.iter().any(|conclusion| conclusion.verdict == Verdict::Inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::Nothing
    }
}
