//! Watching a loop at work, in a browser.

pub mod page;
