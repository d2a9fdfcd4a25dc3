//! What a test may order under `/_fake`: faults for the next requests, and another time of day.
//!
//! `POST /_fake/faults` takes a [`Fault`] as JSON, `DELETE` forgets those that are left. `POST /_fake/clock` takes `{"ahead_secs": N}`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;

/// The most faults that wait.
const FAULTS_MAX: usize = 1000;

/// How the next requests fail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Only requests with this method.
    method: Option<String>,
    /// Only requests whose path and query contain this.
    target: Option<String>,
    /// How many of them.
    #[serde(default = "one")]
    count: u32,
    /// What is answered; without it, the answer is the true one.
    pub(crate) status: Option<u16>,
    /// In seconds.
    pub(crate) retry_after: Option<u32>,
    /// True to do what is asked for before it is answered with the fault, as if the answer had been lost.
    #[serde(default)]
    pub(crate) done: bool,
    /// After how many bytes of its body the answer breaks off.
    pub(crate) cut: Option<u64>,
}

fn one() -> u32 {
    1
}

impl Fault {
    fn is_for(&self, request: &Request) -> bool {
        let target = format!("{}?{}", request.path, request.raw_query);
        self.method.as_ref().is_none_or(|method| request.method == method.as_str())
            && self.target.as_ref().is_none_or(|part| target.contains(part))
    }

    /// The answer that stands in for the true one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.status.map(|status| match status {
            429 => Refusal::new(429, "rateLimitExceeded", "SlowDown", "The object exceeded the rate limit for object mutation operations."),
            401 => Refusal::unauthenticated("Invalid Credentials"),
            403 => Refusal::forbidden("the account"),
            _ => Refusal::new(status, "backendError", "InternalError", "We encountered an internal error. Please try again."),
        })
    }
}

/// What was ordered.
#[derive(Default)]
pub(crate) struct Control {
    faults: Mutex<VecDeque<Fault>>,
    ahead: Mutex<SignedDuration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    ahead_secs: i64,
}

impl Control {
    /// The time by this server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// The fault of a request, which is used up by it.
    pub(crate) fn fault(&self, request: &Request) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let at = faults.iter().position(|fault| fault.is_for(request))?;
        let fault = faults.get_mut(at)?;
        fault.count = fault.count.saturating_sub(1);
        if fault.count == 0 { faults.remove(at) } else { Some(fault.clone()) }
    }

    /// Answers a request below `/_fake`.
    pub(crate) fn answer(&self, request: &Request) -> Result<Reply, Refusal> {
        let wrong = |error: serde_json::Error| Refusal::invalid(error.to_string());
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/_fake/faults") if faults.len() < FAULTS_MAX => {
                faults.push_back(serde_json::from_slice(&request.body).map_err(wrong)?);
            }
            ("DELETE", "/_fake/faults") => faults.clear(),
            ("POST", "/_fake/clock") => {
                let clock: Clock = serde_json::from_slice(&request.body).map_err(wrong)?;
                *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::from_secs(clock.ahead_secs);
            }
            _ => return Err(Refusal::no_method()),
        }
        Ok(Reply::json(200, &json!({})))
    }
}
