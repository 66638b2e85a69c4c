//! How much one peer may send: a token bucket that delays and never refuses, so that nothing is lost.

/// Tokens of one connection. A frame takes one.
#[derive(Debug)]
pub struct Budget {
    rate_per_s: f64,
    burst: f64,
    tokens: f64,
    at: f64,
}

impl Budget {
    /// Create a full bucket. `rate_per_s`: frames in the long run; `burst`: frames at once after a pause.
    #[must_use]
    pub fn new(rate_per_s: f64, burst: u32, now: f64) -> Self {
        let burst = f64::from(burst);
        Self { rate_per_s, burst, tokens: burst, at: now }
    }

    /// Take one token. Returns for how many seconds not to read, usually 0.0. `now`: monotonic seconds.
    #[must_use]
    pub fn take(&mut self, now: f64) -> f64 {
        let tokens = (self.tokens + (now - self.at) * self.rate_per_s).min(self.burst) - 1.0;
        self.at = now;
        self.tokens = tokens;
        if tokens >= 0.0 { 0.0 } else { -tokens / self.rate_per_s }
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let mut budget = Budget::new(10.0, 3, 100.0);
        assert!((0..3).all(|_| budget.take(100.0) <= 0.0));
        assert!((budget.take(100.0) - 0.1).abs() < 1e-9);
        assert!((budget.take(100.0) - 0.2).abs() < 1e-9);
        assert!(budget.take(100.5) <= 0.0, "half a second later five tokens are back");
    }

    #[test]
    fn a_long_pause_fills_the_bucket_only() {
        let mut budget = Budget::new(10.0, 2, 0.0);
        assert!((0..2).all(|_| budget.take(1e9) <= 0.0));
        assert!(budget.take(1e9) > 0.0);
    }
}
