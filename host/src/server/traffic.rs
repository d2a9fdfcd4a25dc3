//! What goes through the listener, as numbers. Counting is an atomic addition: a request allocates nothing for it and waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::api::Resource;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"];
/// The statuses that are counted each for itself; another one counts as the last, which is none.
const STATUSES: [u16; 28] = [
    200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 416, 429, 431, 500, 501, 502, 503, 504, 507,
    0,
];
/// The upper ends of the histogram's buckets, in seconds.
pub const DURATION_BOUNDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// The resources are numbered as they stand in `ALL`, so that a number is an index.
const _: () = {
    let mut index = 0;
    while index < Resource::ALL.len() {
        assert!(Resource::ALL[index] as usize == index, "the resources are counted from 0, in their order");
        index += 1;
    }
};

/// All that is counted of a listener.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: [[[AtomicU64; STATUSES.len()]; Resource::ALL.len()]; METHODS.len()],
    durations: [[Histogram; Resource::ALL.len()]; METHODS.len()],
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    accepted: AtomicU64,
    open: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    /// One for each bound, and one for all that is above.
    buckets: [AtomicU64; DURATION_BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// How many requests of a kind were answered in which way.
#[derive(Debug)]
pub struct Answered {
    /// The method, or `other`.
    pub method: &'static str,
    /// What was asked for.
    pub resource: Resource,
    /// The answer's status; 0 for one that is not counted by itself.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// How long requests of a kind took, from their head to the head of their answer.
#[derive(Debug)]
pub struct Durations {
    /// The method, or `other`.
    pub method: &'static str,
    /// What was asked for.
    pub resource: Resource,
    /// How many took so long: one number for each of [`DURATION_BOUNDS`], without those before it, and one for all longer ones.
    pub buckets: [u64; DURATION_BOUNDS.len() + 1],
    /// All of them together, in seconds.
    pub sum: f64,
}

/// A connection that is open, until this is dropped.
pub(super) struct OpenConnection(Arc<Traffic>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    pub(super) fn connection(self: &Arc<Self>) -> OpenConnection {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.clone())
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, method: &Method, resource: Resource, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        self.requests[method][resource as usize][status].fetch_add(1, Ordering::Relaxed);
        let durations = &self.durations[method][resource as usize];
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        durations.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        durations.sum_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Requests by method, resource and status, but for those that never came.
    pub fn requests(&self) -> impl Iterator<Item = Answered> {
        let kinds =
            METHODS.iter().zip(&self.requests).flat_map(|(method, of)| Resource::ALL.iter().zip(of).map(move |kind| (*method, kind)));
        let all = kinds.flat_map(|(method, (resource, of))| {
            STATUSES.iter().zip(of).map(move |(status, count)| Answered {
                method,
                resource: *resource,
                status: *status,
                count: count.load(Ordering::Relaxed),
            })
        });
        all.filter(|answered| answered.count > 0)
    }

    /// Durations by method and resource, but for those of requests that never came.
    pub fn durations(&self) -> impl Iterator<Item = Durations> {
        let kinds =
            METHODS.iter().zip(&self.durations).flat_map(|(method, of)| Resource::ALL.iter().zip(of).map(move |kind| (*method, kind)));
        let all = kinds.map(|(method, (resource, of))| Durations {
            method,
            resource: *resource,
            buckets: std::array::from_fn(|bucket| of.buckets[bucket].load(Ordering::Relaxed)),
            sum: Duration::from_micros(of.sum_micros.load(Ordering::Relaxed)).as_secs_f64(),
        });
        all.filter(|durations| durations.buckets.iter().any(|count| *count > 0))
    }

    /// Bytes that came from clients and went to them, heads included.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received_bytes.load(Ordering::Relaxed), self.sent_bytes.load(Ordering::Relaxed))
    }

    /// How many connections are open, and how many were accepted in all.
    pub fn connections(&self) -> (u64, u64) {
        (self.open.load(Ordering::Relaxed), self.accepted.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_counted_once_in_its_kind_and_its_bucket() {
        let traffic = Traffic::default();
        traffic.answered(&Method::GET, Resource::Blob, StatusCode::OK, Duration::from_millis(1));
        traffic.answered(&Method::OPTIONS, Resource::Other, StatusCode::IM_A_TEAPOT, Duration::from_secs(3_600));
        let requests: Vec<_> = traffic.requests().map(|one| (one.method, one.resource.name(), one.status, one.count)).collect();
        assert_eq!(requests, [("GET", "blob", 200, 1), ("other", "other", 0, 1)]);
        let durations: Vec<_> = traffic.durations().collect();
        let filled = |at: usize| durations[at].buckets.iter().position(|count| *count == 1).expect("one is filled");
        assert_eq!((filled(0), filled(1)), (1, DURATION_BOUNDS.len()), "a bound belongs to its bucket, and the last one has no end");
        assert!((durations[0].sum - 0.001).abs() < 1e-9 && durations.iter().all(|one| one.buckets.iter().sum::<u64>() == 1));
    }

    #[test]
    fn connection_is_open_until_it_ends() {
        let traffic = Arc::new(Traffic::default());
        let (one, other) = (traffic.connection(), traffic.connection());
        drop(one);
        assert_eq!(traffic.connections(), (1, 2));
        drop(other);
        assert_eq!(traffic.connections(), (0, 2));
    }
}
