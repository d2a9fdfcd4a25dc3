//! Every page is that of a sorted set of texts.

mod changes;
mod model;
mod pages;

use crate::case::{Need, cases};

use changes::{deleted_keys_are_gone, last_key_of_a_page_may_go, uploads_are_not_listed, walk_is_steady_while_others_write};
use model::pages_are_those_of_the_model;
use pages::{
    absent_prefix_is_not_found, children_are_listed_once, every_page_size_gives_the_same, limit_outside_of_its_range_is_refused,
    listed_keys_can_be_read, memory_follows_the_page, order_is_that_of_bytes, prefix_holds_by_component, start_may_be_any_text,
    walk_goes_on_in_another_instance,
};

cases! { "listing":
    store "LST-01" Must Functional Core [] pages_are_those_of_the_model, "section 4" =
        "any page of any store has exactly the keys that are there, once each, sorted by the bytes of the returned text";
    store "LST-02" Must Functional Core [] order_is_that_of_bytes, "section 4" =
        "order is the byte order of the returned text, prefixes with their final `/`, at every page size";
    store "LST-03" Must Functional Full [] every_page_size_gives_the_same, "section 4" =
        "pages of every size give the same names, each once, and `more` is true unless nothing follows";
    store "LST-04" Must Functional Core [] start_may_be_any_text, "section 4" =
        "`start_after` is exclusive, may name what does not exist, and may lie before the first and after the last name";
    store "LST-05" Must Functional Core [Need::SharedStore] walk_goes_on_in_another_instance, "section 4" =
        "a walk that one instance began goes on in another, and no text is refused as a start";
    store "LST-06" Must Functional Core [] limit_outside_of_its_range_is_refused, "section 4" =
        "a limit is 1 to 10,000; 0 and what is above are `invalid_argument`, never everything";
    store "LST-07" Must Functional Core [] prefix_holds_by_component, "section 4" =
        "a prefix is whole components: `a/b` lists nothing of `a/bc`";
    store "LST-08" Must Functional Core [] absent_prefix_is_not_found, "section 4" =
        "an absent prefix, or one whose last key was removed, is `not_found`; the root never is";
    store "LST-09" Must Functional Core [] listed_keys_can_be_read, "section 4" =
        "listed keys are complete and can be read as they are, and the facts beside them are those of `stat`";
    store "LST-10" Must Functional Core [] children_are_listed_once, "section 4" =
        "a list that is not recursive has direct children only, and each deeper level once";
    store "LST-11" Must Concurrent Core [] walk_is_steady_while_others_write, "section 4" =
        "keys that are there during the whole walk appear exactly once, and keys that never were do not, while others come and go";
    store "LST-12" Must Functional Core [] last_key_of_a_page_may_go, "section 4" =
        "deleting the last key of a page before the next neither skips nor repeats another";
    store "LST-13" Must Functional Core [] uploads_are_not_listed, "section 4; section 5" =
        "uploads in progress, suspended, dropped or aborted are never listed, nor are the levels of their destinations";
    store "LST-14" Should Resource Soak [] memory_follows_the_page, "section 4" =
        "the memory that a list takes follows from its page, not from the 100,000 keys that there are";
    store "LST-16" Must Functional Core [] deleted_keys_are_gone, "section 4" =
        "a deleted key is gone from the next list, and so is a level that it was alone in";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("LST-15", "the contract has pages and no walk that calls back: whoever asks for no further page has stopped")];
