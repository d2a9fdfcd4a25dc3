//! Delta debugging: which shorter or simpler streams to try, of one that fails.

/// A stream that fails, while ever shorter ones are tried.
pub(super) struct Shrinking<T> {
    best: Vec<T>,
    tried: Vec<T>,
    simpler: fn(&T) -> Vec<T>,
    phase: Phase,
    /// Where in `best` the next try begins.
    at: usize,
    /// True if this round has found something shorter.
    improved: bool,
    tries_left: usize,
}

enum Phase {
    /// Leaves out so many in one piece.
    Without(usize),
    /// Makes one simpler in its n-th way.
    Simpler(usize),
}

impl<T: Clone> Shrinking<T> {
    /// Begins with `failing`, of which `simpler` makes simpler parts. At most `tries` streams are tried.
    pub(super) fn new(failing: Vec<T>, simpler: fn(&T) -> Vec<T>, tries: usize) -> Self {
        let half = failing.len().div_ceil(2).max(1);
        Self { best: failing, tried: Vec::new(), simpler, phase: Phase::Without(half), at: 0, improved: false, tries_left: tries }
    }

    /// The shortest that failed.
    pub(super) fn best(&self) -> Vec<T> {
        self.best.clone()
    }

    /// The next one to try; the answer is for [`tell`](Self::tell).
    pub(super) fn next(&mut self) -> Option<&[T]> {
        self.tries_left = self.tries_left.checked_sub(1)?;
        loop {
            match self.phase {
                Phase::Without(size) if self.at < self.best.len() => {
                    let end = (self.at + size).min(self.best.len());
                    self.tried = [&self.best[..self.at], &self.best[end..]].concat();
                    return Some(&self.tried);
                }
                Phase::Without(1) if !self.improved => (self.phase, self.at) = (Phase::Simpler(0), 0),
                Phase::Without(size) => (self.phase, self.at, self.improved) = (Phase::Without(size.div_ceil(2).max(1)), 0, false),
                Phase::Simpler(way) => {
                    let part = self.best.get(self.at)?;
                    match (self.simpler)(part).into_iter().nth(way) {
                        Some(simpler) => {
                            self.tried.clone_from(&self.best);
                            self.tried[self.at] = simpler;
                            return Some(&self.tried);
                        }
                        None => (self.phase, self.at) = (Phase::Simpler(0), self.at + 1),
                    }
                }
            }
        }
    }

    /// Tells at which of its parts the tried one failed, if it did.
    pub(super) fn tell(&mut self, failed_at: Option<usize>) {
        match (failed_at, &mut self.phase) {
            (Some(at), phase) => {
                self.tried.truncate(at + 1);
                self.best = std::mem::take(&mut self.tried);
                self.improved = true;
                if let Phase::Simpler(way) = phase {
                    *way = 0;
                }
            }
            (None, Phase::Without(size)) => self.at += *size,
            (None, Phase::Simpler(way)) => *way += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shrinks a stream that fails at the first 9 that has a 3 somewhere before it; numbers become simpler by ten.
    fn shrunk(stream: Vec<u32>, tries: usize) -> (Vec<u32>, usize) {
        let simpler = |number: &u32| number.checked_sub(10).into_iter().collect();
        let fails_at = |stream: &[u32]| {
            let first = stream.iter().position(|number| number % 10 == 3)?;
            Some(first + stream[first..].iter().position(|number| number % 10 == 9)?)
        };
        let mut shrinking = Shrinking::new(stream, simpler, tries);
        let mut tried = 0;
        while let Some(shorter) = shrinking.next() {
            let answer = fails_at(shorter);
            shrinking.tell(answer);
            tried += 1;
        }
        (shrinking.best(), tried)
    }

    #[test]
    fn only_what_is_needed_to_fail_is_left() {
        let long: Vec<u32> = (0..200).map(|number| number * 7 % 100).collect();
        let (best, tried) = shrunk(long, 1000);
        assert_eq!(best, [3, 9]);
        assert!(tried < 100, "{tried} tries");
        assert_eq!(shrunk(vec![13, 9], 1000).0, [3, 9]);
    }

    #[test]
    fn tries_are_bounded() {
        let long: Vec<u32> = std::iter::repeat_n(3, 500).chain([9]).collect();
        assert_eq!(shrunk(long, 3).1, 3);
    }
}
