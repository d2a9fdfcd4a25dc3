//! A client that pushes layers in chunks and goes on after whatever breaks, as the specification lets it.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::images::Image;
use super::moments::Moments;
use crate::support::{Answer, Client, OCI_MANIFEST, Random, Request, sha256};

const PIECE_BYTES: usize = 64 * 1024;
const CHUNK_MAX_BYTES: usize = 1 << 20;
/// One chunk of so many is held until a host is killed.
const HELD_ONE_IN: usize = 20;
/// How often one request is tried: far more than hosts can be killed meanwhile.
const TRIES: usize = 1000;

/// What the client met, for the report at the end.
#[derive(Default)]
pub(super) struct Met {
    pub(super) chunks: AtomicUsize,
    /// Chunks that broke before all of their bytes were sent. Their sessions must go on.
    pub(super) broken_chunks: AtomicUsize,
    /// Chunks and last requests that were sent whole and never answered.
    pub(super) unanswered: AtomicUsize,
    /// Sessions that were unknown after that: the chunk was stored, and its new URL died with the host.
    pub(super) sessions_begun_again: AtomicUsize,
}

/// How a session ended.
enum Ended {
    Stored,
    /// It is unknown after a request that nobody answered.
    Unknown,
    GivenUp,
}

/// How a request ended.
enum Sent {
    Answered(Answer),
    /// The connection broke, or the host behind it died, after the whole request was sent.
    Unanswered,
    /// The same before all of it was sent.
    Cut,
}

pub(super) struct Chunks<'t> {
    pub(super) front: Client,
    pub(super) random: &'t mut Random,
    pub(super) met: &'t Met,
    pub(super) moments: &'t Moments,
    /// It leaves alone a blob whose last request was not answered, so that what a host left half-done stays so.
    pub(super) gives_up: bool,
}

impl Chunks<'_> {
    /// Pushes an image; whether the push of its manifest was acknowledged, `None` if it did not come to that.
    pub(super) fn push(&mut self, repository: &str, tag: &str, image: &Image) -> Option<bool> {
        let blobs = self.push_whole(repository, &image.config) && self.push_in_chunks(repository, &image.layer);
        blobs.then(|| self.put_manifest(repository, tag, image))
    }

    /// Tried once: whether a push that broke has moved the tag is for the ledger.
    pub(super) fn put_manifest(&self, repository: &str, tag: &str, image: &Image) -> bool {
        let request = Request::new("PUT", format!("/v2/{repository}/manifests/{tag}"));
        self.moments.last_request();
        match self.send(&request.header("content-type", OCI_MANIFEST).body(image.manifest.clone())) {
            Sent::Answered(answer) => answer.is(201, "everything that the manifest refers to was acknowledged").status == 201,
            Sent::Unanswered | Sent::Cut => false,
        }
    }

    /// Deletes an image; false if nobody knows whether it did.
    pub(super) fn delete(&self, repository: &str, image: &Image) -> bool {
        match self.send(&Request::new("DELETE", format!("/v2/{repository}/manifests/{}", image.digest))) {
            Sent::Answered(answer) => answer.is(202, "an image that was acknowledged can be deleted").status == 202,
            Sent::Unanswered | Sent::Cut => false,
        }
    }

    /// Lets another repository have a blob.
    pub(super) fn mount(&self, from: &str, repository: &str, content: &[u8]) {
        let target = format!("/v2/{repository}/blobs/uploads/?mount={}&from={from}", sha256(content));
        self.until_answered(&Request::new("POST", target)).is(201, "a blob that was acknowledged can be mounted");
    }

    /// Fetches something that was acknowledged.
    pub(super) fn get(&self, target: String) -> Vec<u8> {
        let rule = format!("what was acknowledged is there: {target}");
        self.until_answered(&Request::new("GET", target)).is(200, &rule).body
    }

    /// Looks for something that was deleted.
    pub(super) fn expect_gone(&self, target: String) {
        let rule = format!("what was deleted is gone at every host: {target}");
        self.until_answered(&Request::new("GET", target)).is(404, &rule);
    }

    /// False if it gave up.
    fn push_whole(&self, repository: &str, content: &[u8]) -> bool {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", sha256(content));
        let request = Request::new("POST", target).body(content);
        self.moments.last_request();
        let answer = match self.send(&request) {
            Sent::Answered(answer) => answer,
            _ if self.gives_up => return false,
            _ => self.until_answered(&request),
        };
        answer.is(201, "a blob is pushed in one request").status == 201
    }

    /// False if it gave up.
    fn push_in_chunks(&mut self, repository: &str, content: &[u8]) -> bool {
        for _ in 0..TRIES {
            let begun = self.until_answered(&Request::new("POST", format!("/v2/{repository}/blobs/uploads/")));
            match self.go_on(repository, begun.is(202, "an upload begins").location(), content) {
                Ended::Stored => return true,
                Ended::GivenUp => return false,
                Ended::Unknown => self.met.sessions_begun_again.fetch_add(1, Ordering::Relaxed),
            };
        }
        panic!("a session comes to its end in {TRIES} attempts");
    }

    /// Sends the chunks of a session and ends it.
    fn go_on(&mut self, repository: &str, mut location: String, content: &[u8]) -> Ended {
        let mut received = 0;
        while received < content.len() {
            // Two bytes at least: `0-0` says none or one.
            let end = content.len().min(received + 2 + self.random.below(CHUNK_MAX_BYTES));
            let chunk = Request::new("PATCH", &location).header("content-range", format!("{received}-{}", end - 1));
            self.met.chunks.fetch_add(1, Ordering::Relaxed);
            // Some are held before their last bytes until a host is killed, which is the one that has the rest of it as often as not.
            let hold = self.random.below(HELD_ONE_IN) == 0;
            let sent = self.send_held(&chunk.body(&content[received..end]), hold);
            let cut = match sent {
                // The lock of a host that was just killed is still there.
                Sent::Answered(answer) if answer.status == 409 => true,
                Sent::Answered(answer) => {
                    let answer = answer.is(202, "the chunk that follows is appended");
                    (location, received) = (answer.location(), end);
                    assert_eq!(answer.need("range"), format!("0-{}", end - 1), "an acknowledged chunk is counted");
                    continue;
                }
                Sent::Cut => true,
                Sent::Unanswered => false,
            };
            let met = if cut { &self.met.broken_chunks } else { &self.met.unanswered };
            met.fetch_add(1, Ordering::Relaxed);
            let status = self.until_answered(&Request::new("GET", &location));
            if status.status == 404 && !cut {
                return Ended::Unknown;
            }
            let status = status.is(204, "a chunk that broke in the middle costs no more than itself");
            let stands = status.need("range")[2..].parse::<usize>().map_or(0, |last| if last == 0 { 0 } else { last + 1 });
            assert!((received..end).contains(&stands), "what was acknowledged is kept: {stands} of {received} to {end}");
            (location, received) = (status.location(), stands);
        }
        self.finish(repository, &location, content)
    }

    fn finish(&self, repository: &str, location: &str, content: &[u8]) -> Ended {
        let digest = sha256(content);
        for _ in 0..TRIES {
            self.moments.last_request();
            match self.send(&Request::new("PUT", format!("{location}&digest={digest}"))) {
                Sent::Answered(answer) if answer.status == 409 => {}
                Sent::Answered(answer) => {
                    answer.is(201, "an upload whose every chunk was acknowledged is finished");
                    return Ended::Stored;
                }
                Sent::Unanswered | Sent::Cut => {
                    self.met.unanswered.fetch_add(1, Ordering::Relaxed);
                    if self.gives_up {
                        return Ended::GivenUp;
                    }
                    if self.until_answered(&Request::new("HEAD", format!("/v2/{repository}/blobs/{digest}"))).status == 200 {
                        return Ended::Stored;
                    }
                    if self.until_answered(&Request::new("GET", location)).status == 404 {
                        return Ended::Unknown;
                    }
                }
            }
        }
        panic!("an upload is finished in {TRIES} attempts");
    }

    /// Asks until a host answers: for requests that may be repeated.
    fn until_answered(&self, request: &Request) -> Answer {
        let answer = (0..TRIES).find_map(|_| match self.send(request) {
            Sent::Answered(answer) => Some(answer),
            Sent::Unanswered | Sent::Cut => None,
        });
        answer.expect("one of the hosts is always there")
    }

    fn send(&self, request: &Request) -> Sent {
        self.send_held(request, false)
    }

    /// Sends a request, with `hold` all but its last bytes until another host was killed.
    fn send_held(&self, request: &Request, hold: bool) -> Sent {
        let mut connection = self.front.connect();
        let encoded = request.encode();
        let mut whole = true;
        let mut pieces = encoded.chunks(PIECE_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            if hold && pieces.peek().is_none() {
                self.moments.wait_for_kill();
                // Meanwhile the round robin tells the client, if it was this one.
                self.until_answered(&Request::new("GET", "/v2/"));
            }
            // An answer before the end: the host refuses, or has died.
            whole = pieces.peek().is_some() || !connection.has_something_to_read();
            if !whole {
                break;
            }
            if connection.stream().write_all(piece).is_err() {
                whole = pieces.peek().is_none();
                break;
            }
        }
        match connection.try_read(request.is_head()) {
            Ok(answer) if answer.status != 502 => Sent::Answered(answer),
            _ if whole => Sent::Unanswered,
            _ => Sent::Cut,
        }
    }
}
