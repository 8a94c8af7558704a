//! The protocols, one module each: sessions for the server's and the client's role.

pub mod accumulate;
pub mod app;
pub mod command;
pub mod echo;
pub mod fixed;
pub mod getfile;
pub mod line;
pub mod multiply;
pub mod sink;
