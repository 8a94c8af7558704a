//! The protocols, one module each, with sessions for both the server's and the client's role.

pub mod accumulate;
pub mod app;
pub mod command;
pub mod echo;
pub mod fixed;
pub mod getfile;
pub mod line;
pub mod multiply;
pub mod sink;
