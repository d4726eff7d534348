//! Failed attempts to sign in, counted per address. Successes are never counted.
//!
//! Passwords can be guessed, so an address that failed too often is not even asked. Tokens and API keys cannot, so good
//! ones pass all the same: one client with an old key does not lock out the others behind the same address.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use komodo_api::{Code, Error, UnixMs};

/// Addresses that are remembered at the same time; when more fail, the one that failed longest ago is forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// Counts failed attempts.
#[derive(Debug)]
pub struct RateLimiter {
    attempts_max: usize,
    window_ms: UnixMs,
    enabled: bool,
    failures: Mutex<HashMap<IpAddr, VecDeque<UnixMs>>>,
}

impl RateLimiter {
    /// At most `attempts_max` failures in any window of that many seconds.
    pub fn new(attempts_max: usize, window_seconds: u64, enabled: bool) -> Self {
        RateLimiter {
            attempts_max: attempts_max.max(1),
            window_ms: UnixMs::try_from(window_seconds.saturating_mul(1000)).unwrap_or(UnixMs::MAX),
            enabled,
            failures: Mutex::default(),
        }
    }

    /// Fails with 429 when the address has used up its attempts.
    pub fn check(&self, address: IpAddr, now: UnixMs) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(times) = failures.get_mut(&source(address)) else {
            return Ok(());
        };
        self.forget_old(times, now);
        match times.front() {
            Some(&first) if times.len() >= self.attempts_max => Err(self.too_many(first, now)),
            _ => Ok(()),
        }
    }

    /// Counts a failure: the error for the caller, with the attempts that are left.
    pub fn failed(&self, address: IpAddr, now: UnixMs, error: Error) -> Error {
        tracing::warn!(target: "audit", peer = %address, why = error.error, "an attempt to sign in failed");
        if !self.enabled {
            return error;
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&source(address)) {
            failures.retain(|_, times| {
                times
                    .back()
                    .is_some_and(|&last| last > now - self.window_ms)
            });
            if failures.len() >= ADDRESSES_MAX
                && let Some(oldest) = failures
                    .iter()
                    .min_by_key(|(_, times)| times.back().copied())
                    .map(|(address, _)| *address)
            {
                failures.remove(&oldest);
            }
        }
        let times = failures.entry(source(address)).or_default();
        self.forget_old(times, now);
        if let Some(&first) = times.front()
            && times.len() >= self.attempts_max
        {
            return self.too_many(first, now);
        }
        times.push_back(now);
        let left = self.attempts_max - times.len();
        Error {
            error: format!("{} | You have {left} attempts remaining", error.error),
            trace: Vec::new(),
            ..error
        }
    }

    fn forget_old(&self, times: &mut VecDeque<UnixMs>, now: UnixMs) {
        while times
            .front()
            .is_some_and(|&first| first <= now.saturating_sub(self.window_ms))
        {
            times.pop_front();
        }
    }

    fn too_many(&self, first: UnixMs, now: UnixMs) -> Error {
        let wait_ms = first
            .saturating_add(self.window_ms)
            .saturating_sub(now)
            .max(0);
        let seconds = (wait_ms + 999) / 1000;
        Error::new(
            Code::TooManyAttempts,
            format!("Too many attempts | Try again in {seconds}s"),
        )
        .param("retry_after_seconds", seconds)
    }
}

/// Whoever holds an IPv6 address holds its whole /64, so that is what counts as one source.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
