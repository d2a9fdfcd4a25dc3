//! Streams: chunks of any size go in and come out, and nothing piles up between them.

mod chunks;
mod load;
mod memory;
mod slow;

use crate::case::{Need, cases};

use chunks::{buffers_are_left_alone, chunks_are_joined, end_of_a_body_stays, reads_of_any_length_join};
use load::{abandoned_readers_hold_nothing, nobody_starves};
use memory::memory_is_bounded;
use slow::{slow_consumer_gets_all, slow_producer_goes_on};

cases! { "streaming":
    store "STR-01" Must Functional Core [] chunks_are_joined, "section 5, write" =
        "an upload is the concatenation of its chunks, of any size from 0 up";
    store "STR-02" Must Functional Core [] reads_of_any_length_join, "section 3, read" =
        "reads of any length, one after the other, give the whole object, and each delivers all that was asked for";
    store "STR-03" Must Functional Core [] end_of_a_body_stays, "section 3, read" =
        "a body ends after its last byte, and stays at its end";
    // In memory the object itself is what is held.
    store "STR-04" Must Resource Full [Need::Durable] memory_is_bounded, "section 5" within 300 =
        "one upload or one read of 1 GiB holds at most 16 MiB of memory";
    store "STR-05" Should Functional Soak [] slow_consumer_gets_all, "section 3, read" =
        "a reader that takes a chunk every ten seconds gets the whole object";
    store "STR-06" Should Functional Soak [] slow_producer_goes_on, "section 5" =
        "an upload goes on after gaps of half a minute between its chunks";
    store "STR-07" Must Resource Core [] abandoned_readers_hold_nothing, "section 8" =
        "a reader that is given up half-way lets go of its descriptors and threads within 5 s";
    store "STR-08" Must Functional Core [] buffers_are_left_alone, "section 2" =
        "a driver neither changes a buffer of the host nor looks at it once it has let go of it";
    store "STR-11" Should Concurrent Full [] nobody_starves, "section 3" =
        "readers that pause delay nobody, and of 32 writers and 32 readers at once neither side waits 5 s for the other";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("STR-09", "no output buffer crosses: a driver hands over chunks of its own, whose length goes with them"),
    ("STR-10", "no output buffer crosses, so there are no bytes past a reported count"),
    ("STR-12", "a write takes one buffer; the contract has no vectored form"),
];
