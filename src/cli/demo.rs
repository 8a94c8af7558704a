//! demo
use super::Failure;
pub fn run() -> Result<(), Failure> {
    Ok(())
}
