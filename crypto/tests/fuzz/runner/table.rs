//! What is printed of a run, as a table of Markdown.

use std::time::Duration;

use super::{Count, Plan};

/// The head of the table.
pub(crate) fn head(plan: &Plan) -> String {
    format!(
        "\n{} inputs each, seed {}\n\n\
         | target | inputs | accepted | refused | bytes, mean | seconds | memory for a byte |\n\
         |---|--:|--:|--:|--:|--:|--:|",
        plan.inputs, plan.seed
    )
}

/// A row. `factor` is the most memory that an input took, in hundredths of its own size, where that
/// is measured.
pub(crate) fn row(name: &str, count: &Count, took: Duration, factor: Option<usize>) -> String {
    let inputs = count.accepted + count.refused;
    let mean = count.bytes.checked_div(inputs).unwrap_or_default();
    let factor = factor.map_or("-".to_owned(), |hundredths| {
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    });
    format!(
        "| {name} | {inputs} | {} | {} | {mean} | {:.1} | {factor} |",
        count.accepted,
        count.refused,
        took.as_secs_f64()
    )
}
