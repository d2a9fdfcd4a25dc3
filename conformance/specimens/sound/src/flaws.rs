//! The list of a specimen's flaws: each is the value of its setting `flaw`, has a number in the list of specimens, and a sentence.

/// Declares the type `Flaw`: `Variant = "name" "number" "what it does",` for each.
#[macro_export]
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
