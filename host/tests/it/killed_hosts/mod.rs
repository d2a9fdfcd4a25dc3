//! Three hosts behind a plain round robin, of which a random one is killed again and again while real clients push: what was acknowledged is
//! there in the end, through every host.
//!
//! It runs for as long as it is told, so it is run by `host/tests/many-hosts.sh`:
//!
//! | variable | what |
//! |---|---|
//! | `LONGSHORE_TEST_SECS` | how long, default 60 |
//! | `LONGSHORE_TEST_SEED` | what is pushed and who is killed when; clients and hosts still race as they like |
//! | `LONGSHORE_TEST_CRANE` | the program `crane`; without it skopeo and a client of our own push |
//! | `LONGSHORE_TEST_STORAGE` | what the hosts share, see `support/hosts.rs` |

mod chunks;
mod images;
mod moments;
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chunks::{Chunks, Met};
use images::{Image, Known, Ledger};
use moments::Moments;
use programs::Program;

use crate::support::{Client, Hosts, Random, broken_links, sha256};

const HOSTS: usize = 3;
const CHUNK_CLIENTS: usize = 3;
const LAYER_MAX_BYTES: usize = 4 << 20;
/// Tags of each client that it moves.
const TAGS: usize = 5;
/// How long a host lives or stays down at the most, until something is next done to one.
const LIFE_MAX: Duration = Duration::from_millis(600);
/// About how long a request takes that publishes something, in microseconds.
const LAST_REQUEST_MICROS: usize = 4000;
/// The repository where every chunk client moves the same tag.
const COMMON: (&str, &str) = ("common", "latest");

#[test]
#[ignore = "takes minutes: host/tests/many-hosts.sh"]
fn killed_hosts_lose_nothing_that_was_acknowledged() {
    let seconds = std::env::var("LONGSHORE_TEST_SECS").map_or(60, |text| text.parse().expect("LONGSHORE_TEST_SECS is a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random::any();
    let mut hosts = Hosts::start(HOSTS, "cache.ttl_secs = 0");
    let (ledger, met, failed) = (Ledger::default(), Met::default(), AtomicBool::new(false));
    let pushes = AtomicUsize::new(0);
    let goes_on = || Instant::now() < end && !failed.load(Ordering::Relaxed);
    let front = hosts.front;
    let moments = Moments::default();
    std::thread::scope(|scope| {
        // One that fails ends the others: nobody pushes on for minutes.
        let client = |mut random: Random, work: Box<dyn Fn(&mut Random) + Send>| {
            let (goes_on, failed, pushes) = (&goes_on, &failed, &pushes);
            scope.spawn(move || {
                while goes_on() {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&mut random))) {
                        failed.store(true, Ordering::Relaxed);
                        std::panic::resume_unwind(panic);
                    }
                    pushes.fetch_add(1, Ordering::Relaxed);
                }
            });
        };
        let (ledger, met, moments) = (&ledger, &met, &moments);
        for number in 0..CHUNK_CLIENTS {
            let seed = random.next();
            let own = format!("chunks/{number}");
            let turn = move |random: &mut Random| {
                let gives_up = random.below(2) == 0;
                push_in_chunks(&own, Chunks { front, random, met, moments, gives_up }, ledger);
            };
            client(Random::new(seed), Box::new(turn));
        }
        for (number, program) in Program::all().into_iter().enumerate() {
            let seed = random.next();
            let repository = repository_of(&program, number);
            client(Random::new(seed), Box::new(move |random| push_with(&program, front, &repository, random, ledger)));
        }
        kill_at_random(&mut hosts, &mut random, moments, goes_on);
    });
    report(&met, moments.kills(), pushes.into_inner());
    let known = ledger.into_known();
    verify(&hosts, &known);
    for (number, program) in Program::all().iter().enumerate() {
        pull_with(program, &repository_of(program, number), &hosts, &known);
    }
}

/// Kills a random host at a random time, and starts it again at another. One host always runs.
fn kill_at_random(hosts: &mut Hosts, random: &mut Random, moments: &Moments, goes_on: impl Fn() -> bool) {
    let mut down = Vec::new();
    while goes_on() {
        // Not to wait for something: this is how long hosts live.
        std::thread::sleep(LIFE_MAX.mul_f64(random.below(1000) as f64 / 1000.0));
        if down.len() == HOSTS - 1 || (!down.is_empty() && random.below(2) == 0) {
            hosts.revive(down.swap_remove(random.below(down.len())));
            continue;
        }
        let running: Vec<usize> = (0..HOSTS).filter(|index| !down.contains(index)).collect();
        let chosen = running[random.below(running.len())];
        // Half of them die in the middle of what publishes something.
        if random.below(2) == 0 {
            moments.wait_for_last_request(LIFE_MAX);
            std::thread::sleep(Duration::from_micros(random.below(LAST_REQUEST_MICROS) as u64));
        }
        hosts.kill(chosen);
        moments.kill();
        down.push(chosen);
    }
    moments.end();
    for index in down {
        hosts.revive(index);
    }
}

/// One turn of a chunk client: pushes an image, looks at it, and sometimes mounts or deletes one.
fn push_in_chunks(own: &str, mut client: Chunks<'_>, ledger: &Ledger) {
    let image = Image::random(client.random, LAYER_MAX_BYTES);
    let what = client.random.below(10);
    if what == 0 {
        let Some(acknowledged) = client.push(COMMON.0, COMMON.1, &image) else { return };
        return ledger.pushed_by_many(COMMON.0, COMMON.1, &image, acknowledged);
    }
    // Half of the tags are never used again: what a host left of them stays.
    let tag = match client.random.below(2) {
        0 => format!("once-{:016x}", client.random.next()),
        _ => format!("t{}", client.random.below(TAGS)),
    };
    let Some(acknowledged) = client.push(own, &tag, &image) else { return };
    ledger.pushed(own, &tag, &image, acknowledged);
    if acknowledged {
        let served = client.get(format!("/v2/{own}/manifests/{}", image.digest));
        assert!(served == image.manifest, "an image can be pulled as soon as its push was acknowledged");
    }
    match what {
        1 | 2 if acknowledged => copy(own, &tag, &image, &client, ledger),
        3 | 4 => {
            let Some(image) = ledger.give_up_one(own, client.random) else { return };
            let acknowledged = client.delete(own, &image);
            ledger.deleted(own, &image, acknowledged);
            if acknowledged {
                client.expect_gone(format!("/v2/{own}/manifests/{}", image.digest));
            }
        }
        _ => {}
    }
}

/// Mounts the blobs of an image in another repository and pushes it there.
fn copy(own: &str, tag: &str, image: &Image, client: &Chunks<'_>, ledger: &Ledger) {
    let other = format!("{own}/copies");
    for blob in [&image.config, &image.layer] {
        client.mount(own, &other, blob);
    }
    let acknowledged = client.put_manifest(&other, tag, image);
    ledger.pushed(&other, tag, image, acknowledged);
}

fn repository_of(program: &Program, number: usize) -> String {
    format!("{}/{number}", program.name())
}

/// One turn of a program: its exit code is the acknowledgement.
fn push_with(program: &Program, front: Client, repository: &str, random: &mut Random, ledger: &Ledger) {
    let image = Image::random(random, LAYER_MAX_BYTES);
    let tag = format!("t{}", random.below(TAGS));
    let acknowledged = program.push(&image, front, repository, &tag);
    ledger.pushed(repository, &tag, &image, acknowledged);
}

fn report(met: &Met, kills: usize, pushes: usize) {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{kills} kills, {pushes} pushes tried; {} chunks, of which {} broke in the middle; {} requests were sent and not answered, \
         and {} uploads begun again after one",
        count(&met.chunks),
        count(&met.broken_chunks),
        count(&met.unanswered),
        count(&met.sessions_begun_again)
    );
}

/// Every acknowledged image is whole at every host, every tag means what was pushed last, and no link is broken.
fn verify(hosts: &Hosts, known: &Known) {
    println!("{} images were acknowledged and not deleted, under {} tags", known.acknowledged.len(), known.tags.len());
    assert!(!known.acknowledged.is_empty(), "something was pushed");
    std::thread::scope(|scope| {
        for host in hosts.each() {
            scope.spawn(|| {
                for (repository, image) in &known.acknowledged {
                    let manifest = host.get(format!("/v2/{repository}/manifests/{}", image.digest)).is(200, "the manifest is there");
                    assert!(manifest.body == image.manifest, "byte for byte: {repository} {}", image.digest);
                    for blob in [&image.config, &image.layer] {
                        let served = host.get(format!("/v2/{repository}/blobs/{}", sha256(blob))).is(200, "its blobs are there");
                        assert!(served.body == *blob, "byte for byte: {repository} {}", sha256(blob));
                    }
                }
                for ((repository, tag), meanings) in &known.tags {
                    let answer = host.get(format!("/v2/{repository}/manifests/{tag}"));
                    let meaning = (answer.status == 200).then(|| sha256(&answer.body));
                    assert!(meanings.contains(&meaning), "{repository}:{tag} means {meaning:?} and not one of {meanings:?}");
                }
            });
        }
    });
    let (broken, links) = broken_links(&hosts.storage);
    assert_eq!(broken, Vec::<String>::new(), "no link leads nowhere");
    println!("all of them are whole at each of {} hosts, and none of {links} links is broken", hosts.count());
}

/// The programs pull as well: some of the images that they pushed, through every host.
fn pull_with(program: &Program, own: &str, hosts: &Hosts, known: &Known) {
    let pushed: Vec<_> = known.acknowledged.iter().filter(|(repository, _)| repository == own).collect();
    assert!(!pushed.is_empty(), "{} has pushed something", program.name());
    for (repository, image) in pushed.into_iter().take(3) {
        for host in hosts.each() {
            assert!(program.pull(image, host.address, repository), "{} pulls {repository} {}", program.name(), image.digest);
        }
    }
}
