//! Why bytes are not a message.

/// Bytes that are not a message: which message, which field of it, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, field {field}: {problem}")]
pub struct DecodeError {
    /// The innermost message at fault.
    pub message: &'static str,
    /// Its field at fault; `whole` when no single one is.
    pub field: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More bytes than the message may have.
    #[error("{size} bytes are more than the {max} allowed")]
    TooLarge {
        /// How many bytes there are.
        size: usize,
        /// How many may be.
        max: usize,
    },
    /// More elements than the list may have.
    #[error("{count} elements are more than the {max} allowed")]
    TooMany {
        /// How many elements there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// A value of a fixed length has another one.
    #[error("{found} bytes instead of {expected}")]
    Length {
        /// How many bytes there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A number is larger than its type.
    #[error("{found} is above {max}")]
    Range {
        /// The number.
        found: u64,
        /// The largest allowed.
        max: u64,
    },
    /// Something that must be there is not.
    #[error("it is missing, or of a kind unknown here")]
    Missing,
    /// A list that must be strictly ascending is not.
    #[error("the elements are not strictly ascending")]
    Unsorted,
    /// A key, a name or an embedded value that its own type refuses.
    #[error("{0}")]
    Invalid(String),
    /// Two parts that must agree do not.
    #[error("{found} elements where {expected} belong")]
    Disagree {
        /// How many there are.
        found: usize,
        /// How many belong.
        expected: usize,
    },
    /// Not protobuf at all.
    #[error("it is not protobuf: {0}")]
    NotProtobuf(String),
    /// The message has another encoding, which is the only one accepted.
    #[error("it is not in its canonical encoding")]
    NotCanonical,
}
