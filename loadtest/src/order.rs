//! Which question is asked next: one file in a random order round and round, or several by shares.
//!
//! A mix is one period of turns, drawn once: the turns of a part of weight w are spread over the
//! period at (k + random) / w, so that after any number of queries each part is within two turns of
//! its share, and yet nobody can foresee the next. Query number n follows from n alone: the loop
//! keeps no state for it. It knows numbers of questions only, not what they ask.

use thiserror::Error;

/// Parts of a mix.
pub(crate) const PARTS_MAX: usize = 100;
/// Weights in all, after their greatest common divisor is taken out.
const WEIGHTS_MAX: u64 = 1_000_000;
/// A period is not shorter, so that it does not show in a server's caches.
const PERIOD_LEN_MIN: u64 = 10_000;

/// The order of asking.
#[derive(Debug)]
pub(crate) struct Order {
    /// The first question of each part, and at last the number of all.
    starts: Vec<u32>,
    /// How often each part has its turn in a period.
    turns: Vec<u64>,
    /// Empty when there is but one part.
    period: Vec<Turn>,
}

/// A place in the period.
#[derive(Debug, Clone, Copy)]
struct Turn {
    part: u32,
    /// Turns of this part earlier in the period.
    before: u32,
}

/// Weights that make no mix.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum WeightsError {
    #[error("more than {PARTS_MAX} parts of a mix")]
    TooMany,
    #[error("the weights make a period of {0} queries: at most {WEIGHTS_MAX}, so round them")]
    TooFine(u64),
}

impl Order {
    /// Question after question, `count` of them.
    pub(crate) fn plain(count: usize) -> Order {
        Order {
            starts: vec![0, count as u32],
            turns: vec![1],
            period: Vec::new(),
        }
    }

    /// Parts of (weight, number of questions), none of them 0, that lie one after the other.
    pub(crate) fn mixed(parts: &[(u32, usize)], seed: u64) -> Result<Order, WeightsError> {
        if let [(_, count)] = parts {
            return Ok(Order::plain(*count));
        }
        if parts.len() > PARTS_MAX {
            return Err(WeightsError::TooMany);
        }
        let divisor = parts.iter().fold(0, |sum, &(weight, _)| gcd(sum, weight));
        let weights: Vec<u64> = parts
            .iter()
            .map(|&(weight, _)| u64::from(weight / divisor))
            .collect();
        let sum: u64 = weights.iter().sum();
        if sum > WEIGHTS_MAX {
            return Err(WeightsError::TooFine(sum));
        }
        let repeats = PERIOD_LEN_MIN.div_ceil(sum);
        let turns: Vec<u64> = weights.iter().map(|weight| weight * repeats).collect();
        let mut starts = vec![0];
        for &(_, count) in parts {
            starts.push(starts[starts.len() - 1] + count as u32);
        }
        let period = spread(&turns, seed);
        Ok(Order {
            starts,
            turns,
            period,
        })
    }

    /// The question that query number `number` asks.
    pub(crate) fn at(&self, number: u64) -> u32 {
        if self.period.is_empty() {
            return (number % u64::from(self.starts[1])) as u32;
        }
        let period_len = self.period.len() as u64;
        let turn = self.period[(number % period_len) as usize];
        let part = turn.part as usize;
        let asked = number / period_len * self.turns[part] + u64::from(turn.before);
        let count = u64::from(self.starts[part + 1] - self.starts[part]);
        self.starts[part] + (asked % count) as u32
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        self.turns.len()
    }

    /// The part that `question` is of.
    pub(crate) fn part_of(&self, question: u32) -> usize {
        self.starts[1..].partition_point(|&end| end <= question)
    }

    /// How many of the first `sent` queries are of each part.
    pub(crate) fn sent_by_part(&self, sent: u64) -> Vec<u64> {
        let period_len = (self.period.len() as u64).max(1);
        let whole = sent / period_len;
        let mut counts: Vec<u64> = self.turns.iter().map(|turns| turns * whole).collect();
        for turn in &self.period[..(sent % period_len) as usize] {
            counts[turn.part as usize] += 1;
        }
        counts
    }
}

/// One period: the k-th turn of a part is at a random point of the k-th share of it.
fn spread(turns: &[u64], seed: u64) -> Vec<Turn> {
    // Another sequence than that of the questions.
    let mut state = !seed;
    let mut places = Vec::new();
    for (part, &count) in (0u32..).zip(turns) {
        for k in 0..count {
            let within = u128::from(next_random(&mut state));
            // A fixed point number: 64 bits for the whole period.
            let place = ((u128::from(k) << 64) + within) / u128::from(count);
            places.push((place as u64, part));
        }
    }
    places.sort_unstable();
    let mut before = vec![0; turns.len()];
    let turn = |(_, part): (u64, u32)| {
        let before = &mut before[part as usize];
        *before += 1;
        Turn {
            part,
            before: *before - 1,
        }
    };
    places.into_iter().map(turn).collect()
}

fn gcd(one: u32, other: u32) -> u32 {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

/// The numbers below `count` in an order that `seed` fixes (Fisher and Yates).
pub(crate) fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for last in (1..count).rev() {
        let bound = last as u128 + 1;
        // The high half of the product: a number below `bound`, its bias far below 2^-32.
        let chosen = (u128::from(next_random(&mut state)) * bound) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}

/// SplitMix64 (Steele, Lea, Flood 2014): one step of the state, one number out.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *state;
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_random_whole_and_fixed_by_the_seed() {
        let mut order = shuffled(1000, 1);
        assert_eq!(order, shuffled(1000, 1));
        assert_ne!(order, shuffled(1000, 2));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
        assert_eq!(shuffled(1, 1), [0]);
    }

    #[test]
    fn one_part_goes_round() {
        let order = Order::mixed(&[(7, 3)], 1).expect("one part");
        let asked: Vec<u32> = (0..7).map(|number| order.at(number)).collect();
        assert_eq!(asked, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(order.sent_by_part(7), [7]);
        assert_eq!(order.part_of(2), 0);
    }

    /// Over any `window` queries the parts are within two turns at either end of their shares.
    fn check_shares(parts: &[(u32, usize)], window: u64) {
        let order = Order::mixed(parts, 1).expect("a mix");
        let sum: u32 = parts.iter().map(|&(weight, _)| weight).sum();
        for from in [0, 1, 777, 9_999, 123_456] {
            for (part, &(weight, _)) in parts.iter().enumerate() {
                let asked = (from..from + window).filter(|&n| order.part_of(order.at(n)) == part);
                let asked = asked.count() as f64;
                let share = window as f64 * f64::from(weight) / f64::from(sum);
                let what = format!("{asked} of {share} for part {part} of {parts:?} from {from}");
                assert!((asked - share).abs() <= parts.len() as f64 + 2.0, "{what}");
            }
        }
        let sent = order.sent_by_part(123_456);
        assert_eq!(sent.iter().sum::<u64>(), 123_456);
        let first = (0..123_456).filter(|&n| order.part_of(order.at(n)) == 0);
        assert_eq!(sent[0], first.count() as u64);
    }

    #[test]
    fn shares_hold_in_every_window() {
        check_shares(&[(70, 3), (10, 2), (20, 1)], 2_000);
        check_shares(&[(1, 1), (1, 1)], 100);
        check_shares(&[(99_999, 5), (1, 5)], 3_000);
        check_shares(&[(3, 1_000), (3, 1), (3, 7), (90, 2)], 5_000);
    }

    #[test]
    fn every_question_of_a_part_has_its_turn() {
        let order = Order::mixed(&[(9, 100), (1, 7)], 1).expect("a mix");
        let mut asked: Vec<u32> = (0..1_000).map(|number| order.at(number)).collect();
        let ask_again: Vec<u32> = (0..1_000).map(|number| order.at(number)).collect();
        assert_eq!(asked, ask_again);
        let other = Order::mixed(&[(9, 100), (1, 7)], 2).expect("a mix");
        assert_ne!(asked, (0..1_000).map(|n| other.at(n)).collect::<Vec<_>>());
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked, (0..107).collect::<Vec<_>>());
    }

    #[test]
    fn weights_are_bounded() {
        let error = |parts: &[(u32, usize)]| Order::mixed(parts, 1).expect_err("refused");
        assert_eq!(error(&[(1, 1); 101]), WeightsError::TooMany);
        let fine = [(1_000_000, 1), (1, 1)];
        assert_eq!(error(&fine), WeightsError::TooFine(1_000_001));
        assert!(Order::mixed(&[(1_000_000, 1), (1_000_000, 1)], 1).is_ok());
    }
}
