//! `--threads`: how many a command may use.

use std::str::FromStr;

use cpu::THREADS_MAX;

/// A number of threads, from 1 to the most of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(usize);

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a number of threads from 1 to {THREADS_MAX}");
        text.parse().ok().filter(|n| (1..=THREADS_MAX).contains(n)).map(Threads).ok_or_else(expected)
    }
}

impl From<Threads> for usize {
    fn from(threads: Threads) -> usize {
        threads.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_one_to_the_most_of_a_pool() {
        let parse = |text: &str| text.parse::<Threads>().map(usize::from);
        assert_eq!(["1", "8", "1024"].map(parse), [Ok(1), Ok(8), Ok(THREADS_MAX)]);
        for bad in ["0", "1025", "20000", "99999999999999999999", "-1", "two", ""] {
            assert!(parse(bad).unwrap_err().contains("1 to 1024"), "{bad}");
        }
    }
}
