//! Cross-checks of the backends.
