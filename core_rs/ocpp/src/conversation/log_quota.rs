//! How much of the frame log each tenant may fill in a day, so that none of them fills the disk of all.

use std::collections::HashMap;

const DAY_US: i64 = 86_400_000_000;

/// What each tenant has logged today, by UTC.
#[derive(Debug)]
pub struct LogQuota {
    bytes_per_day: u64,
    day: i64,
    used: HashMap<i64, u64>,
    /// The tenant of the last frame and what it has used, because many frames of one tenant follow each other.
    /// `used` does not know of it yet.
    last: (i64, u64),
    beyond: HashMap<i64, u64>,
}

impl LogQuota {
    /// Start with nothing used. `bytes_per_day`: of each tenant.
    #[must_use]
    pub fn new(bytes_per_day: u64) -> Self {
        Self { bytes_per_day, day: 0, used: HashMap::new(), last: (0, 0), beyond: HashMap::new() }
    }

    /// Take bytes of a tenant's quota. `false`: it is used up until midnight, and the frame is counted.
    pub fn take(&mut self, tenant_id: i64, bytes: usize, at_us: i64) -> bool {
        let day = at_us.div_euclid(DAY_US);
        if day != self.day {
            self.day = day;
            self.used.clear();
            self.last = (tenant_id, 0);
        }
        if tenant_id != self.last.0 {
            self.used.insert(self.last.0, self.last.1);
            self.last = (tenant_id, self.used.get(&tenant_id).copied().unwrap_or(0));
        }
        self.last.1 += bytes as u64;
        if self.last.1 > self.bytes_per_day {
            *self.beyond.entry(tenant_id).or_default() += 1;
            return false;
        }
        true
    }

    /// Remove and return how many frames were beyond the quota, by tenant.
    #[must_use]
    pub fn take_beyond(&mut self) -> HashMap<i64, u64> {
        std::mem::take(&mut self.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_US, LogQuota};

    #[test]
    fn a_tenant_has_its_own_quota_for_each_day() {
        let mut quota = LogQuota::new(100);
        assert!(quota.take(1, 100, DAY_US));
        assert!(!quota.take(1, 1, DAY_US));
        assert!(!quota.take(1, 0, 2 * DAY_US - 1));
        assert!(quota.take(2, 60, DAY_US));
        assert!(!quota.take(1, 0, DAY_US));
        assert!(quota.take(2, 40, DAY_US));
        assert!(!quota.take(2, 1, DAY_US));
        assert_eq!(quota.take_beyond(), [(1, 3), (2, 1)].into());
        assert_eq!(quota.take_beyond(), [].into());
        assert!(quota.take(1, 100, 2 * DAY_US));
        assert!(!quota.take(1, 1, 2 * DAY_US));
    }
}
