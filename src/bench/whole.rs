//! Files that are written completely or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Writes a file under a temporary name first, so that it's either complete, or absent or as it was before. An earlier
/// file's permissions are kept, and a link stays and leads to the new content.
///
/// Anything but a regular file, such as a pipe, is written to directly.
///
/// # Errors
/// If the system refuses. Nothing else is left behind then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(earlier) if earlier.is_file() => replace(&fs::canonicalize(path)?, Some(earlier), bytes),
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => replace(path, None, bytes),
        // A dangling link leads to the new file.
        Ok(_) | Err(_) => fs::write(path, bytes),
    }
}

/// Checks that a file at `path` can be written so, and leaves nothing behind.
///
/// # Errors
/// If the system refuses a temporary file there. An existing file may be writable although its folder is not.
pub fn can_write_whole(path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (part, _) = create_beside(&path)?;
    fs::remove_file(part)
}

/// Replaces the regular file at `path`, or creates it.
fn replace(path: &Path, earlier: Option<fs::Metadata>, bytes: &[u8]) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let (part, mut file) = create_beside(path)?;
    let written = match earlier {
        Some(earlier) => file.set_permissions(earlier.permissions()),
        None => Ok(()),
    };
    let written = written.and_then(|()| file.write_all(bytes)).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // An incomplete file is useless.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Creates a file in the same folder, under a name that no file has yet.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u64;
    loop {
        let part = path.with_file_name(format!(".multiconn-{}-{number}.part", process::id()));
        // This neither opens a file nor follows a link that is there already.
        match File::create_new(&part) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            created => return created.map(|file| (part, file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// The names in a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn no_other_file_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let first = format!(".multiconn-{}-0.part", process::id());
        let second = format!(".multiconn-{}-1.part", process::id());
        fs::write(at("precious"), "precious").unwrap();
        fs::write(at("a.csv.part"), "somebody's").unwrap();
        // Not even files with the temporary names.
        fs::write(at(&first), "somebody's").unwrap();
        symlink("precious", at(&second)).unwrap();
        for text in ["new", "newer"] {
            write_whole(&at("a.csv"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("a.csv")).unwrap(), text);
        }
        for (name, text) in [("precious", "precious"), ("a.csv.part", "somebody's"), (&first, "somebody's")] {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), text);
        }
        assert_eq!(fs::read_link(at(&second)).unwrap(), Path::new("precious"));
        assert_eq!(names(folder.path()), [&first, &second, "a.csv", "a.csv.part", "precious"]);
    }

    #[test]
    fn links_and_permissions_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("results")).unwrap();
        symlink("results/1.csv", at("latest.csv")).unwrap();
        // There is no such file at first.
        for text in ["first", "second"] {
            write_whole(&at("latest.csv"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_link(at("latest.csv")).unwrap(), Path::new("results/1.csv"));
            assert_eq!(fs::read_to_string(at("results/1.csv")).unwrap(), text);
            fs::set_permissions(at("results/1.csv"), PermissionsExt::from_mode(0o600)).unwrap();
        }
        write_whole(&at("results/1.csv"), b"third").unwrap();
        assert_eq!(fs::metadata(at("results/1.csv")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!((names(folder.path()).len(), names(&at("results")).len()), (2, 1));
    }

    #[test]
    fn nothing_is_left_of_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["", "/", "..", "no/such/folder/a.csv"] {
            let at = if path.is_empty() { PathBuf::new() } else { folder.path().join(path) };
            assert!(write_whole(&at, b"new").is_err(), "{path}");
        }
        // A name that is too long fails only at the end.
        assert!(write_whole(&folder.path().join("a".repeat(1000)), b"new").is_err());
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
