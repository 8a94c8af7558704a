//! JSON values as Python's `str()` shows them, which the tutorial's replies quote.
//!
//! All functions here expect valid JSON.

pub(super) mod compound;
pub(super) mod number;
pub(super) mod string;
