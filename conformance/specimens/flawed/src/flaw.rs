//! The flaws: the rule that each breaks, and its number in the list of specimens.

macro_rules! flaws {
    ($($variant:ident = $name:literal $number:literal $what:literal,)*) => {
        /// What is wrong with an instance.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each has its sentence")]
        pub enum Flaw { $($variant,)* }

        impl Flaw {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the setting `flaw`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The number in the list of specimens.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$variant => $number,)* }
            }

            /// What it does, as a sentence.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

flaws! {
    None = "none" "M00" "keeps every rule",
    DropsLastByteOfPages = "drops-last-byte-of-pages" "M01" "drops the last byte when the size is a multiple of 4096",
    AddsNewline = "adds-newline" "M02" "adds a newline to what looks like text",
    StopsAtNul = "stops-at-nul" "M04" "stops at the first NUL byte",
    KeepsOldTail = "keeps-old-tail" "M05" "overwrites without cutting what was there",
    WritesInPlace = "writes-in-place" "M06" "writes into the object itself, step by step",
    ListsTemporaries = "lists-temporaries" "M07" "lists uploads as if they were objects",
    SyncsNoFile = "syncs-no-file" "M08" "answers before the file is synced",
    SyncsNoFolder = "syncs-no-folder" "M09" "answers before the folder is synced",
    IgnoresSyncErrors = "ignores-sync-errors" "M10" "takes a failed sync for a success",
    ReadErrorIsEnd = "read-error-is-end" "M12" "ends a body at a read error",
    ShortWriteIsWhole = "short-write-is-whole" "M13" "takes a short write for the whole",
    FullLeavesHalf = "full-leaves-half" "M14" "leaves half an object when there is no space",
    OffByOneAtParts = "off-by-one-at-parts" "M15" "begins one byte early at the boundaries of parts",
    EndIsError = "end-is-error" "M16" "refuses the empty range at the end",
    BeyondEndIsEmpty = "beyond-end-is-empty" "M17" "answers an empty body for a range beyond the end",
    OffsetsOf32Bits = "offsets-of-32-bits" "M19" "cuts offsets to 32 bits",
    SharesCursor = "shares-cursor" "M21" "has one place for all readers of a key",
    SkipsLastOfPage = "skips-last-of-page" "M22" "skips the last name of each full page",
    ListsUnsorted = "lists-unsorted" "M24" "orders names as people do, not by bytes",
    ListsByStringPrefix = "lists-by-string-prefix" "M25" "lists what begins with the prefix's text",
    CapsLists = "caps-lists" "M26" "ends every list at 1000 names",
    ListsInMemory = "lists-in-memory" "M27" "keeps every name that a walk has seen",
    DeletesByStringPrefix = "deletes-by-string-prefix" "M28" "deletes what begins with the prefix's text",
    DeletesOneBatch = "deletes-one-batch" "M29" "stops a delete_prefix after 1000 keys",
    DeleteAlternates = "delete-alternates" "M30" "answers a delete of nothing with ok every second time",
    CommitKeepsUpload = "commit-keeps-upload" "M32" "leaves the upload behind when it is committed",
    CommitDeletesFirst = "commit-deletes-first" "M33" "deletes the destination before the new object is there",
    CommitAnswersEarly = "commit-answers-early" "M34" "answers a commit before the object is there",
    SelfCopyDeletes = "self-copy-deletes" "M35" "deletes an object that is copied onto itself",
    ResumesAtZero = "resumes-at-zero" "M37" "goes on with an upload from its beginning",
    LosesTail = "loses-tail" "M38" "loses what does not fill a part when an upload is suspended",
    CountsUnwritten = "counts-unwritten" "M39" "counts bytes that it does not have after a resume",
    DropPublishes = "drop-publishes" "M40" "publishes an upload that is dropped",
    AbortKeepsUpload = "abort-keeps-upload" "M42" "leaves an aborted upload to be resumed",
    UploadsInterleave = "uploads-interleave" "M44" "has one file for all uploads to a key",
    ReadsStale = "reads-stale" "M45" "answers the version before for 100 ms",
    CachesForProcess = "caches-for-process" "M46" "remembers objects and hears of no other process",
    ChecksThenCreates = "checks-then-creates" "M47" "looks whether a key is absent, and then writes",
    OneReaderBlocksAll = "one-reader-blocks-all" "M48" "holds a lock from the beginning of a body to its end",
    DecodesPercent = "decodes-percent" "M51" "decodes %41 in keys",
    LowersCase = "lowers-case" "M52" "makes keys lower-case",
    FollowsLinks = "follows-links" "M54" "follows symbolic links in the store",
    HidesDenial = "hides-denial" "M55" "answers not_found where permission is denied",
    TellsSecret = "tells-secret" "M56" "tells its password when it opens, in the log and in errors",
    HangsAtOpen = "hangs-at-open" "M59" "waits for ever for a root that it cannot make",
    IgnoresCancel = "ignores-cancel" "M60" "keeps a descriptor for a minute after a cancelled call",
    LeaksDescriptors = "leaks-descriptors" "M62" "leaks a descriptor at each failed read",
    LeaksThreads = "leaks-threads" "M63" "leaks a thread for each instance",
    OpensForChildren = "opens-for-children" "M65" "has descriptors that children inherit",
    ExitsAtConfig = "exits-at-config" "M67" "ends the process when its root cannot be made",
    Prints = "prints" "M69" "prints to stdout",
    HandlesSignals = "handles-signals" "M70" "installs a signal handler",
    ChangesProcess = "changes-process" "M71" "changes the umask and the working directory",
    SharesState = "shares-state" "M79" "has one root for all instances",
    LeavesLock = "leaves-lock" "M85" "does not start beside the lock of a process that was killed",
    RecoversTooMuch = "recovers-too-much" "M86" "deletes the newest objects when it starts after a kill",
    ReadsWhole = "reads-whole" "M87" "reads the whole object for a range",
    BuffersWhole = "buffers-whole" "M88" "keeps an upload in memory until it is committed",
    NothingSupported = "nothing-supported" "M91" "answers unsupported whenever something is hard",
    Discards = "discards" "M94" "answers ok and keeps nothing",
    LiesAboutHealth = "lies-about-health" "M95" "is healthy when its root is gone",
    AnswersAfterClose = "closes-nothing" "M96" "keeps its descriptors and threads when it is closed",
}
