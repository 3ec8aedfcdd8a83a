//! One thing, timed several times.

/// The timings, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The one in the middle: a moment in which the machine had something else to do does not move it.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => f64::NAN,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The smallest and the largest.
    pub(super) fn range(&self) -> (f64, f64) {
        let least = self.0.iter().copied().fold(f64::NAN, f64::min);
        (least, self.0.iter().copied().fold(f64::NAN, f64::max))
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let of = |values: &[f64]| values.iter().copied().collect::<Series>();
        assert_eq!((of(&[9.0, 1.0, 2.0]).median(), of(&[9.0, 1.0, 2.0]).range()), (2.0, (1.0, 9.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]).median(), 3.0);
        assert!(of(&[]).median().is_nan() && of(&[]).range().0.is_nan());
    }
}
