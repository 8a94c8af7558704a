//! The place of a file being received: its name, and the name that its bytes have until all are there.
//!
//! Both are names in an open folder. So they stay there, whatever happens to the path that led to it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::cli::failure::{Failure, reason_of_folder};
use crate::folder::Folder;

/// A name in an open folder.
#[derive(Debug)]
pub struct Place {
    folder: Folder,
    name: OsString,
    part: OsString,
    /// The path of the file, for messages.
    path: PathBuf,
}

impl Place {
    /// The place at `path`, which ends with a name, in a folder that exists.
    pub fn at(path: PathBuf) -> Result<Place, Failure> {
        let name = path.file_name().expect("a local path has a last name").to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match Folder::open(folder, true) {
            Ok(folder) => Ok(Place::in_folder(folder, path.parent().unwrap_or(Path::new("")), &name)),
            Err(error) => {
                Err(Failure::new(format!("cannot write to {}: {}", path.display(), reason_of_folder(&error))))
            }
        }
    }

    /// The place of this `name` in a folder, which has a `path` for messages.
    pub fn in_folder(folder: Folder, path: &Path, name: &OsStr) -> Place {
        let part = [OsStr::new("."), name, OsStr::new(".part")].into_iter().collect();
        Place { folder, name: name.to_owned(), part, path: path.join(name) }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of its bytes until all are there.
    pub fn part(&self) -> PathBuf {
        self.path.with_file_name(&self.part)
    }

    /// Whether there is anything of that name, such as a dangling link.
    pub fn is_taken(&self) -> bool {
        self.stat(&self.name).is_some()
    }

    /// Whether a folder, a device or the like has that name, which no file replaces.
    pub fn is_special(&self) -> bool {
        self.stat(&self.name).is_some_and(|stat| {
            !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Symlink)
        })
    }

    fn stat(&self, name: &OsStr) -> Option<Stat> {
        statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// The regular file of that name, if there is one.
    fn existing(&self) -> Option<Stat> {
        self.stat(&self.name).filter(is_file)
    }

    /// Opens or creates the file for its bytes, and locks it for this process. `None` if another one holds the lock.
    pub fn open_part(&self) -> io::Result<Option<File>> {
        // The new file must not be readable for users that could not read the old one.
        let mode = Mode::from_raw_mode(if self.existing().is_some() { 0o600 } else { 0o666 });
        // Another user with write access to the folder may have put a link to one of our files there.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        loop {
            let file = openat(&self.folder, &self.part, flags, mode)?;
            let opened = fstat(&file)?;
            if !is_file(&opened) {
                return Err(io::Error::other("it exists, and is not a regular file"));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
                Ok(()) => {}
            }
            // Another process may have finished between the two calls, and renamed or removed the file.
            let named = self.stat(&self.part);
            if named.is_some_and(|named| (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)) {
                return Ok(Some(File::from(file)));
            }
        }
    }

    /// Removes the file for its bytes. Failure does no harm.
    pub fn remove_part(&self) {
        let _ = unlinkat(&self.folder, &self.part, AtFlags::empty());
    }

    /// Gives `file` the permissions of the file that it replaces, and its owner and group where we may.
    pub fn keep_permissions(&self, file: &File) -> io::Result<()> {
        let Some(old) = self.existing() else { return Ok(()) };
        let mut mode = old.st_mode & 0o777;
        let (owner, group) = (Some(old.st_uid), Some(old.st_gid));
        let is_same_group = fchown(file, owner, group).or_else(|_| fchown(file, None, group)).is_ok();
        if !is_same_group {
            // A new group gets no more rights than others have.
            mode = mode & !0o070 | (mode & 0o007) << 3;
        }
        Ok(fchmod(file, Mode::from_raw_mode(mode))?)
    }

    /// Gives the file its name, and replaces another one only with `force`.
    pub fn rename(&self, force: bool) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        if !force {
            use rustix::fs::{RenameFlags, renameat_with};

            match renameat_with(&self.folder, &self.part, &self.folder, &self.name, RenameFlags::NOREPLACE) {
                // Not every file system supports this.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                result => return Ok(result?),
            }
        }
        #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
        let _ = force;
        Ok(renameat(&self.folder, &self.part, &self.folder, &self.name)?)
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}
