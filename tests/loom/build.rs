//! Sets `cfg(loom)` for the library and the models, and not for their dependencies, as `RUSTFLAGS` would.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=loom");
}
