//! Files in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Files, FolderError, check_path};

/// A folder in memory: files that are part of the program, or made by it. Paths mean the same as in a
/// [`Folder`](super::Folder) on Linux, and lead to the same errors. There are no links.
///
/// ```
/// use std::time::Duration;
///
/// use multiconn::folder::MemoryFolder;
/// use multiconn::protocols::getfile::GetFileService;
///
/// let mut folder = MemoryFolder::new(false);
/// folder.insert("index.html", *b"<h1>Hello</h1>");
/// let service = GetFileService::new(folder, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryFolder {
    /// The files by their paths, without superfluous slashes and dots.
    files: BTreeMap<Vec<u8>, Arc<[u8]>>,
    /// Whether hidden files, with names that begin with a dot, are available.
    hidden: bool,
}

/// The most bytes of a name, as in most file systems.
const NAME_LEN_MAX: usize = 255;
/// The most bytes of a path, and of the zero byte that ends it for the system.
const PATH_LEN_MAX: usize = 4096;

impl MemoryFolder {
    /// Creates an empty folder. With `hidden`, it includes files below names that begin with a dot.
    pub fn new(hidden: bool) -> Self {
        MemoryFolder { files: BTreeMap::new(), hidden }
    }

    /// Puts a file at `path`, in place of any other. The folders above it exist from then on.
    pub fn insert(&mut self, path: impl Into<Vec<u8>>, contents: impl Into<Arc<[u8]>>) {
        self.files.insert(path.into(), contents.into());
    }

    fn is_folder(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let mut files = self.files.range::<[u8], _>((Bound::Included(&below[..]), Bound::Unbounded));
        path.is_empty() || files.next().is_some_and(|(file, _)| file.starts_with(&below))
    }

    /// Why there is no file at `path`, or nothing below it.
    fn why_not(&self, path: &[u8]) -> FolderError {
        FolderError::of(if self.files.contains_key(path) { Errno::NOTDIR } else { Errno::NOENT })
    }
}

impl Files for MemoryFolder {
    type File = Arc<[u8]>;

    fn file(&self, path: &[u8]) -> Result<(Arc<[u8]>, u64), FolderError> {
        check_path(path, self.hidden)?;
        if path.is_empty() {
            return Err(self.why_not(path));
        }
        if path.len() >= PATH_LEN_MAX {
            return Err(FolderError::of(Errno::NAMETOOLONG));
        }
        let mut here = Vec::new();
        let mut is_known = true;
        for name in path.split(|&byte| byte == b'/') {
            if !is_known && !self.is_folder(&here) {
                return Err(self.why_not(&here));
            }
            is_known = true;
            match name {
                b"" | b"." => {}
                b".." if here.is_empty() => return Err(FolderError::Outside),
                b".." => here.truncate(here.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
                name if name.len() > NAME_LEN_MAX => return Err(FolderError::of(Errno::NAMETOOLONG)),
                name => {
                    if !here.is_empty() {
                        here.push(b'/');
                    }
                    here.extend_from_slice(name);
                    is_known = false;
                }
            }
        }
        match self.files.get(&here) {
            Some(file) => Ok((Arc::clone(file), file.len() as u64)),
            None if self.is_folder(&here) => Err(FolderError::NotRegular),
            None => Err(self.why_not(&here)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::Folder;
    use super::*;

    const FILES: [&str; 6] = ["file", "sub/deep/file", "sub/12 monkeys", ".dot", ".hidden/file", "..."];

    fn on_disk(hidden: bool) -> (TempDir, Folder) {
        let dir = TempDir::new().unwrap();
        for path in FILES {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        let folder = Folder::open(dir.path(), hidden).unwrap();
        (dir, folder)
    }

    fn in_memory(hidden: bool) -> MemoryFolder {
        let mut folder = MemoryFolder::new(hidden);
        for path in FILES {
            let name = path.rsplit('/').next().unwrap();
            folder.insert(path, name.as_bytes());
        }
        folder
    }

    /// The file at `path`, or why there is none.
    fn read(files: &impl Files, path: &[u8]) -> Result<Vec<u8>, String> {
        use crate::buffer::Contents;

        let (file, len) = files.file(path).map_err(|error| error.to_string())?;
        let mut bytes = vec![0; 100];
        let read = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(read);
        assert_eq!(len, bytes.len() as u64);
        Ok(bytes)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_in_memory_gives_the_same_answers_as_one_on_disk() {
        for hidden in [false, true] {
            let ((_dir, disk), memory) = (on_disk(hidden), in_memory(hidden));
            if read(&disk, b"sub/../file").is_err() {
                // The kernel doesn't resolve paths here.
                return;
            }
            let long = ["x".repeat(255), "x".repeat(256), "x/".repeat(2000), "./".repeat(2048), "./".repeat(2046)];
            let paths = [
                "file",
                "./file",
                "sub/../file",
                "sub//deep/./file",
                "sub/deep/file",
                "sub/12 monkeys",
                "",
                "nothing",
                "nothing/file",
                "nothing/../file",
                "sub",
                "sub/",
                "sub/.",
                "sub/..",
                ".",
                "..",
                "file/",
                "file/file",
                "file/.",
                "file/..",
                "file/../file",
                "sub/deep/../../file",
                "sub/deep/../../../file",
                "../file",
                "/file",
                "//file",
                "/",
                ".dot",
                ".hidden/file",
                "sub/../.dot",
                "...",
                "su",
                "sub/12",
                "fi\0le",
                "file\r",
            ];
            for path in paths.into_iter().chain(long.iter().map(String::as_str)) {
                let path = path.as_bytes();
                assert_eq!(read(&memory, path), read(&disk, path), "{} (hidden: {hidden})", path.escape_ascii());
            }
        }
    }

    #[test]
    fn a_file_replaces_another_of_the_same_path() {
        let mut folder = in_memory(false);
        folder.insert("file", *b"another");
        assert_eq!(read(&folder, b"file").unwrap(), b"another");
    }
}
