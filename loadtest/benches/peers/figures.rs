//! Medians, and ratios within one round: how many measurements become one figure.
//!
//! The speed of a virtual machine moves from minute to minute. What is divided was therefore
//! measured in the same round, seconds apart, and the median is taken of the ratios. Pure.

use std::collections::BTreeMap;

/// What was measured, by round.
pub(crate) type ByRound = BTreeMap<usize, f64>;

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Smallest and largest value.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().fold(None, |range, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((value.min(least), value.max(most)))
    })
}

/// The median of `figure / reference` over the rounds that have both.
pub(crate) fn ratio(figure: &ByRound, reference: &ByRound) -> Option<f64> {
    let both = figure.iter().filter_map(|(round, figure)| {
        let reference = reference.get(round).filter(|value| **value > 0.0)?;
        Some(figure / reference)
    });
    median(both)
}

/// In each round the smallest of several; what was lost is none.
pub(crate) fn least(figures: &[ByRound]) -> ByRound {
    let mut least = ByRound::new();
    for (&round, &value) in figures
        .iter()
        .flatten()
        .filter(|(_, value)| value.is_finite())
    {
        let found = least.entry(round).or_insert(value);
        *found = found.min(value);
    }
    least
}

/// A share of sampled clock ticks, with the 95% bound of its sampling error.
pub(crate) fn share(part_ticks: u64, all_ticks: u64) -> Option<(f64, f64)> {
    if all_ticks == 0 {
        return None;
    }
    let (part, all) = (part_ticks as f64, all_ticks as f64);
    // Agresti-Coull: not 0 when no tick at all fell into the part.
    let (count, share) = (all + 4.0, (part + 2.0) / (all + 4.0));
    Some((part / all, 1.96 * (share * (1.0 - share) / count).sqrt()))
}

/// A warning without the figures of the one run: what is in parentheses or stands behind a colon,
/// and numbers.
pub(crate) fn kind_of_warning(warning: &str) -> String {
    let warning = warning.split([':', '(']).next().unwrap_or_default();
    let is_figure = |word: &&str| word.contains(|letter: char| letter.is_ascii_digit());
    let words = warning
        .split_whitespace()
        .map(|word| match is_figure(&word) {
            true => "some",
            false => word,
        });
    words.collect::<Vec<_>>().join(" ")
}
