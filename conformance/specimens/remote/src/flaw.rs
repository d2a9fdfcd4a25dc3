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
}
