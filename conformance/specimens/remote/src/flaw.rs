//! The flaws: the rule that each breaks, and its number in the list of specimens.

longshore_specimen_sound::flaws! {
    None = "none" "M00" "keeps every rule",
    CutBodyIsWhole = "cut-body-is-whole" "M12" "takes an answer that ends early for the whole",
    HidesDenial = "hides-denial" "M55" "answers not_found where the service answers 401 or 403",
    TellsSecret = "tells-secret" "M56" "tells its password when it cannot connect",
    RefusedIsNotFound = "refused-is-not-found" "M97" "answers not_found where the connection is refused",
    HangsInSilence = "hangs-in-silence" "M59" "waits for ever for a service that says nothing",
    AppendsTwice = "appends-twice" "M80" "sends an append again after a lost answer, so that it is applied twice",
    RetriesBlindly = "retries-blindly" "M80" "sends a put or delete again after a lost answer, and takes what it did itself for somebody else's doing",
    RetriesForEver = "retries-for-ever" "M81" "asks a busy service again at once, and for ever",
    LeavesSockets = "leaves-sockets" "M98" "leaves a pair of sockets for each instance",
    DeletesBlindly = "deletes-blindly" "M99" "answers ok to a delete whether or not something was there",
    CutsLongKeys = "cuts-long-keys" "M100" "cuts keys that are longer than the service's names",
    RefusesLongPuts = "refuses-long-puts" "M100" "refuses a key that is too long for the service where it is written, and nowhere else",
    RefusesSoon = "refuses-soon" "M100" "refuses keys that every store must have",
    TellsOtherTime = "tells-other-time" "M101" "answers a put with a time that is not the object's",
    TellsOtherVersion = "tells-other-version" "M101" "answers a put with a version that is not the object's",
}
