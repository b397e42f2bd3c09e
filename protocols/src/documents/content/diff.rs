//! The difference of two texts as splices.
//!
//! `doc edit` in an editor gives a whole new text. Applied as splices of what changed, the typing
//! of others meanwhile survives; applied as one replacement it would not.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// One splice of a text, in Unicode scalar values of the text as it is after the splices before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) index: usize,
    pub(super) delete: usize,
    pub(super) insert: String,
}

/// The largest differing parts, in scalar values of both together, that are compared character
/// by character: the algorithm's cost is that length times the number of differences, so this
/// keeps one difference below some 20 ms in the worst case.
const MAX_CHARACTERS: usize = 4 * 1024;
/// The most lines, of both differing parts together, that are compared line by line, for the
/// same reason; beyond it the whole differing part is replaced.
const MAX_LINES: usize = 32 * 1024;

/// Splices that turn `old` into `new`, in the order in which they are to be applied.
pub(super) fn splices(old: &str, new: &str) -> Vec<Splice> {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let mut splices = Splices::default();
    middle(&old, &new, 0, &mut splices);
    splices.done
}

/// Collects splices; `shift` is how much longer the text has become.
#[derive(Default)]
struct Splices {
    done: Vec<Splice>,
    inserted: usize,
    deleted: usize,
}

impl Splices {
    fn replace(&mut self, at: usize, delete: usize, insert: &[char]) {
        // `at` is a place in the old text: what was done before it moved it.
        let index = at + self.inserted - self.deleted;
        self.done.push(Splice {
            index,
            delete,
            insert: insert.iter().collect(),
        });
        self.inserted += insert.len();
        self.deleted += delete;
    }
}

/// Compares two stretches of which the old one starts at `start`: skips what is equal at both
/// ends and chooses how finely to compare the rest.
fn middle(old: &[char], new: &[char], start: usize, splices: &mut Splices) {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.split_at(prefix).1, new.split_at(prefix).1);
    let suffix = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let old = old.split_at(old.len() - suffix).0;
    let new = new.split_at(new.len() - suffix).0;
    let start = start + prefix;
    if old.is_empty() && new.is_empty() {
        return;
    }
    if old.is_empty() || new.is_empty() {
        splices.replace(start, old.len(), new);
    } else if old.len() + new.len() <= MAX_CHARACTERS {
        characters(old, new, start, splices);
    } else {
        lines(old, new, start, splices);
    }
}

fn characters(old: &[char], new: &[char], start: usize, splices: &mut Splices) {
    for operation in capture_diff_slices(Algorithm::Myers, old, new) {
        let (old_range, new_range) = (operation.old_range(), operation.new_range());
        let insert = new.get(new_range).unwrap_or_default();
        match operation {
            DiffOp::Equal { .. } => {}
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                splices.replace(start + old_range.start, old_range.len(), insert);
            }
        }
    }
}

fn lines(old: &[char], new: &[char], start: usize, splices: &mut Splices) {
    let old_lines: Vec<&[char]> = old.split_inclusive(|c| *c == '\n').collect();
    let new_lines: Vec<&[char]> = new.split_inclusive(|c| *c == '\n').collect();
    if old_lines.len() + new_lines.len() > MAX_LINES {
        splices.replace(start, old.len(), new);
        return;
    }
    let length = |lines: &[&[char]]| lines.iter().map(|line| line.len()).sum::<usize>();
    // Operations come in order and cover both sides, so the places advance with them.
    let (mut at_old, mut at_new) = (0, 0);
    for operation in capture_diff_slices(Algorithm::Myers, &old_lines, &new_lines) {
        let from = length(old_lines.get(operation.old_range()).unwrap_or_default());
        let to = length(new_lines.get(operation.new_range()).unwrap_or_default());
        let removed = old.get(at_old..at_old + from).unwrap_or_default();
        let added = new.get(at_new..at_new + to).unwrap_or_default();
        match operation {
            DiffOp::Equal { .. } => {}
            DiffOp::Replace { .. } if from + to <= MAX_CHARACTERS => {
                middle(removed, added, start + at_old, splices);
            }
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                splices.replace(start + at_old, from, added);
            }
        }
        at_old += from;
        at_new += to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(old: &str, splices: &[Splice]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for Splice {
            index,
            delete,
            insert,
        } in splices
        {
            text.splice(*index..index + delete, insert.chars());
        }
        text.into_iter().collect()
    }

    #[test]
    fn a_word_replaced_leaves_the_rest_untouched() {
        let (old, new) = ("the quick brown fox", "the slow brown fox jumps");
        let found = splices(old, new);
        assert_eq!(apply(old, &found), new);
        assert!(found.iter().all(|splice| splice.delete <= 5), "{found:?}");
    }

    #[test]
    fn a_large_text_is_compared_by_lines() {
        let line = |n: usize| format!("line {n} with some words in it\n");
        let old: String = (0..5000).map(line).collect();
        let new: String = (0..5000)
            .filter(|n| n % 1000 != 3)
            .map(line)
            .collect::<String>()
            + "end";
        let found = splices(&old, &new);
        assert_eq!(apply(&old, &found), new);
        assert!(found.len() <= 6, "{}", found.len());
    }

    proptest! {
        #[test]
        fn splices_turn_the_old_text_into_the_new(old in "[ab\n\u{e4}\u{1f600}]{0,80}", new in "[ab\n\u{e4}\u{1f600}]{0,80}") {
            prop_assert_eq!(apply(&old, &splices(&old, &new)), new.clone());
            // The coarser comparison gives the same text.
            let (a, b): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
            let mut by_lines = Splices::default();
            lines(&a, &b, 0, &mut by_lines);
            prop_assert_eq!(apply(&old, &by_lines.done), new);
        }
    }
}
