//! Network interfaces by name and number.

use std::ffi::CString;

/// The number of the network interface `zone`, which is its name or that number. `None` if there is none.
pub fn interface_index(zone: &str) -> Option<u32> {
    let name = CString::new(zone).ok()?;
    // SAFETY: it reads a string that ends with a zero and stays borrowed for the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index != 0 {
        return Some(index);
    }
    let index = zone.parse().ok()?;
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: it writes at most IF_NAMESIZE bytes, which are ours.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    (!found.is_null()).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_a_name_and_a_number() {
        // Every system has the loopback interface, as number 1 or under one of these names.
        let index = ["lo", "lo0", "1"].iter().find_map(|zone| interface_index(zone)).unwrap();
        assert_eq!(interface_index(&index.to_string()), Some(index));
        for zone in ["", "0", "4294967295", "4294967296", "nothing0", "lo\0", "-1", " 1"] {
            assert_eq!(interface_index(zone), None, "{zone:?}");
        }
    }
}
