//! The examples in `docs/examples`, which people copy.

mod shout;
mod support;
