//! A folder whose files may be read, and nothing outside it, whatever path is requested.
//!
//! Where the kernel can resolve a path beneath an open folder (Linux 5.6 and later: openat2(2) with `RESOLVE_BENEATH`
//! and `RESOLVE_NO_MAGICLINKS`), it does, and no symbolic link, `..`, or concurrent rename leads outside. Elsewhere,
//! the path is walked name by name from the open folder, and no symbolic link is followed at all.
//!
//! [`Files`] is any place where files come from; [`MemoryFolder`] is one in memory.

mod memory;

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

pub use self::memory::MemoryFolder;
use crate::buffer::Contents;
use crate::text::reason;

/// A place where files come from: a [`Folder`] on disk, a [`MemoryFolder`], an archive.
pub trait Files {
    /// An open file.
    type File: Contents + 'static;

    /// Opens the regular file at `path`, which is relative to this place, and returns it with its length.
    ///
    /// # Errors
    /// If there is none, it may not be read, or the path leads outside.
    fn file(&self, path: &[u8]) -> Result<(Self::File, u64), FolderError>;
}

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    /// Whether hidden files, with names that begin with a dot, are available.
    hidden: bool,
    walk: Walk,
}

/// The resolver of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    #[cfg(target_os = "linux")]
    Kernel,
    Ours,
}

/// The flags for opening a folder, or a file only for inspection.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// The flags for opening a file: without waiting, and without taking it as the controlling terminal.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

impl Folder {
    /// Opens the folder at `path`. With `hidden`, it includes files below names that begin with a dot.
    ///
    /// # Errors
    /// If it can't be opened, or isn't a folder.
    pub fn open(path: &Path, hidden: bool) -> io::Result<Folder> {
        let fd = openat(CWD, path, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        let walk = Walk::of(&fd, hidden);
        Ok(Folder { fd, hidden, walk })
    }

    /// Opens the folder at `path`, which is relative to this one. An empty path is this folder itself.
    ///
    /// # Errors
    /// If there is none, or the path leads outside.
    pub fn folder(&self, path: &[u8]) -> Result<Folder, FolderError> {
        check_path(path, self.hidden)?;
        let path = if path.is_empty() { b"." } else { path };
        let fd = self.resolve(path, LOOK | OFlags::DIRECTORY).map_err(FolderError::of)?;
        self.check_true_path(&fd)?;
        Ok(Folder { fd, ..*self })
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.walk {
            #[cfg(target_os = "linux")]
            Walk::Kernel => beneath(&self.fd, path, flags),
            Walk::Ours => step_by_step(&self.fd, path, flags),
        }
    }

    /// Checks the real path: a symbolic link may have led to a hidden file though its own name isn't hidden.
    #[cfg(target_os = "linux")]
    fn check_true_path(&self, file: &OwnedFd) -> Result<(), FolderError> {
        if self.hidden || self.walk == Walk::Ours {
            return Ok(());
        }
        let folder = true_path(&self.fd).map_err(FolderError::of)?;
        let file = true_path(file).map_err(FolderError::of)?;
        match file.strip_prefix(folder.strip_suffix(b"/").unwrap_or(&folder)) {
            Some(path) if has_hidden_name(path) => Err(FolderError::Hidden),
            Some(_) => Ok(()),
            // It was moved away meanwhile.
            None => Err(FolderError::Outside),
        }
    }

    /// Nothing to check, since no symbolic link is followed.
    #[cfg(not(target_os = "linux"))]
    fn check_true_path(&self, _file: &OwnedFd) -> Result<(), FolderError> {
        Ok(())
    }
}

/// Its descriptor, relative to which files can be opened, renamed and removed.
impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Files for Folder {
    type File = File;

    fn file(&self, path: &[u8]) -> Result<(File, u64), FolderError> {
        check_path(path, self.hidden)?;
        // Opening a device can have an effect, and opening a pipe lets its other side proceed. So the file is inspected
        // first.
        let is_regular = |fd: &OwnedFd| Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::RegularFile);
        if !self.resolve(path, LOOK).and_then(|fd| is_regular(&fd)).map_err(FolderError::of)? {
            return Err(FolderError::NotRegular);
        }
        let fd = self.resolve(path, READ).map_err(FolderError::of)?;
        let stat = fstat(&fd).map_err(FolderError::of)?;
        // The inspected file may have been replaced since.
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FolderError::NotRegular);
        }
        self.check_true_path(&fd)?;
        let file = File::from(fd);
        let len = len_of(&file, stat.st_size)?;
        Ok((file, len))
    }
}

/// Checks what can be checked without looking into a folder, which includes files below `hidden` names or not.
fn check_path(path: &[u8], hidden: bool) -> Result<(), FolderError> {
    if path.contains(&0) {
        return Err(FolderError::ZeroByte);
    }
    if path.starts_with(b"/") {
        return Err(FolderError::Outside);
    }
    if !hidden && has_hidden_name(path) {
        return Err(FolderError::Hidden);
    }
    Ok(())
}

/// The length of a file, given the `size` that the system reports. At a size of 0, a file may have content all the
/// same: the system generates most files in /proc when they are read.
fn len_of(file: &File, size: i64) -> Result<u64, FolderError> {
    match size {
        0 if file.read_at(&mut [0], 0).map_err(FolderError::System)? > 0 => {
            // It may also have grown since its size was read.
            let size = file.metadata().map_err(FolderError::System)?.len();
            if size > 0 { Ok(size) } else { Err(FolderError::UnknownLength) }
        }
        size => Ok(u64::try_from(size).unwrap_or(0)),
    }
}

impl Walk {
    #[cfg(target_os = "linux")]
    fn of(folder: &OwnedFd, hidden: bool) -> Walk {
        // Kernels before 5.6 lack the call, and some sandboxes block it. And if links are followed, /proc is needed to
        // find out whether they led to a hidden file.
        let is_known = beneath(folder, b".", LOOK).is_ok();
        if is_known && (hidden || true_path(folder).is_ok()) { Walk::Kernel } else { Walk::Ours }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_folder: &OwnedFd, _hidden: bool) -> Walk {
        Walk::Ours
    }
}

#[cfg(target_os = "linux")]
fn beneath(folder: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES {
        match openat2(folder, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// The number of tries: while folders are renamed, the kernel can't always be sure that a `..` stays beneath, and
/// returns EAGAIN.
#[cfg(target_os = "linux")]
const TRIES: u32 = 100;

#[cfg(target_os = "linux")]
fn true_path(fd: &OwnedFd) -> Result<Vec<u8>, Errno> {
    use std::os::fd::AsRawFd;

    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::readlinkat(CWD, link, Vec::new())?.into_bytes())
}

/// Opens name after name, each in the folder that the previous one led to. No name may be a link.
fn step_by_step(folder: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b".")).peekable();
    let mut found = folder.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))?;
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::XDEV);
        }
        let is_last = names.peek().is_none() && !path.ends_with(b"/");
        let how = if is_last { flags } else { LOOK | OFlags::DIRECTORY };
        found = openat(&found, name, how | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(found)
}

/// Whether any name begins with a dot, other than `.` and `..`.
fn has_hidden_name(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|name| name.starts_with(b".") && !matches!(name, b"." | b".."))
}

/// Why a file isn't available.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// The path has a zero byte, which no file name contains.
    ZeroByte,
    /// The path leads outside the folder.
    Outside,
    /// The file, or a folder above it, is hidden.
    Hidden,
    /// It's a folder, a device, a pipe, or the like.
    NotRegular,
    /// It has content, but the system reports no length.
    UnknownLength,
    /// The system can't open it.
    System(io::Error),
}

impl FolderError {
    fn of(errno: Errno) -> FolderError {
        match errno {
            Errno::XDEV => FolderError::Outside,
            errno => FolderError::System(errno.into()),
        }
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroByte => write!(f, "a path with a zero byte"),
            Self::Outside => write!(f, "it leads out of the served folder"),
            Self::Hidden => write!(f, "hidden files are not served"),
            Self::NotRegular => write!(f, "not a regular file"),
            Self::UnknownLength => write!(f, "its length is unknown, as for files in /proc"),
            Self::System(error) => f.write_str(&reason(error)),
        }
    }
}

impl Error for FolderError {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::mkfifoat;
    use tempfile::TempDir;

    use super::*;

    const SECRET: &str = "secret";

    /// A folder `served` with several files in it, next to a secret.
    fn tree() -> TempDir {
        let dir = TempDir::new().unwrap();
        let served = dir.path().join("served");
        fs::create_dir_all(served.join("sub/deep")).unwrap();
        fs::create_dir_all(served.join(".hidden")).unwrap();
        for (path, content) in [
            ("secret", SECRET),
            ("served/file", "file"),
            ("served/sub/deep/file", "deep file"),
            ("served/.dot", "dot"),
            ("served/.hidden/file", "hidden file"),
            ("served/...", "three dots"),
        ] {
            fs::write(dir.path().join(path), content).unwrap();
        }
        for (to, link) in [
            ("file", "link"),
            ("sub/deep", "link-to-folder"),
            ("../served/file", "out-and-in"),
            ("../secret", "out"),
            ("..", "up"),
            ("/", "slash"),
            ("/etc/passwd", "passwd"),
            ("loop", "loop"),
            (".hidden/file", "to-hidden"),
            (".hidden", "to-hidden-folder"),
            ("/proc/self/root/etc/passwd", "magic"),
            ("nowhere", "dangling"),
        ] {
            symlink(to, served.join(link)).unwrap();
        }
        symlink(served.join("file"), served.join("absolute")).unwrap();
        mkfifoat(CWD, served.join("fifo"), Mode::RWXU).unwrap();
        drop(UnixListener::bind(served.join("socket")).unwrap());
        dir
    }

    fn folders(dir: &TempDir, hidden: bool) -> Vec<Folder> {
        let open = |walk| Folder { walk, ..Folder::open(&dir.path().join("served"), hidden).unwrap() };
        vec![
            #[cfg(target_os = "linux")]
            open(Walk::Kernel),
            open(Walk::Ours),
        ]
    }

    fn read(folder: &Folder, path: &str) -> Result<String, String> {
        let (mut file, len) = folder.file(path.as_bytes()).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(len, text.len() as u64);
        Ok(text)
    }

    #[test]
    fn files_are_found() {
        let dir = tree();
        for folder in folders(&dir, false) {
            for path in ["file", "./file", "sub/../file", "sub//deep/./file", "sub/deep/file"] {
                let expected = if path.contains("deep") { "deep file" } else { "file" };
                match (folder.walk, path) {
                    (Walk::Ours, "sub/../file") => assert!(read(&folder, path).is_err()),
                    _ => assert_eq!(read(&folder, path).as_deref(), Ok(expected), "{path} by {:?}", folder.walk),
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn links_that_stay_beneath_are_followed_by_the_kernel() {
        let dir = tree();
        for folder in folders(&dir, false) {
            let follows = folder.walk == Walk::Kernel;
            assert_eq!(read(&folder, "link").is_ok(), follows);
            assert_eq!(read(&folder, "link-to-folder/file").is_ok(), follows);
        }
    }

    #[test]
    fn folders_below_are_found_and_no_others() {
        let dir = tree();
        let outside = |why| matches!(why, FolderError::Outside | FolderError::System(_));
        for folder in folders(&dir, true) {
            for (path, file) in
                [("", "file"), (".", "file"), ("sub", "deep/file"), ("sub/deep/", "file"), (".hidden", "file")]
            {
                let below = folder.folder(path.as_bytes()).unwrap();
                assert!(below.file(file.as_bytes()).is_ok(), "{path} by {:?}", folder.walk);
                assert!(below.file(b"../file").is_err(), "it can't be left again");
            }
            for path in
                ["/", "/etc", "..", "../served", "sub/../..", "up", "slash", "absolute", "nothing", "file", "loop"]
            {
                assert!(folder.folder(path.as_bytes()).is_err_and(outside), "{path} by {:?}", folder.walk);
            }
        }
        for folder in folders(&dir, false) {
            assert!(folder.folder(b".hidden").is_err());
            assert!(folder.folder(b"to-hidden-folder").is_err());
        }
    }

    #[test]
    fn nothing_else_is() {
        let dir = tree();
        for folder in folders(&dir, false) {
            for (path, why) in [
                ("", "no such file|not a regular file"),
                ("nothing", "no such file"),
                ("sub", "not a regular file"),
                ("sub/", "not a regular file"),
                (".", "not a regular file"),
                ("file/", "not a directory"),
                ("file/file", "not a directory"),
                ("/etc/passwd", "it leads out of the served folder"),
                ("//etc/passwd", "it leads out of the served folder"),
                ("../secret", "it leads out of the served folder"),
                ("sub/../../secret", "it leads out of the served folder"),
                ("..", "it leads out of the served folder|not a regular file"),
                ("out", "it leads out of the served folder|too many"),
                ("up/secret", "it leads out of the served folder|not a directory|too many"),
                ("slash/etc/passwd", "it leads out of the served folder|not a directory|too many"),
                ("out-and-in", "it leads out of the served folder|too many"),
                ("absolute", "it leads out of the served folder|too many"),
                ("passwd", "it leads out of the served folder|too many"),
                ("magic", "it leads out of the served folder|too many"),
                ("loop", "too many"),
                ("dangling", "no such file|too many"),
                ("fifo", "not a regular file"),
                ("socket", "not a regular file"),
                (".dot", "hidden files are not served"),
                (".hidden/file", "hidden files are not served"),
                ("sub/../.dot", "hidden files are not served"),
                ("...", "hidden files are not served"),
                ("to-hidden", "hidden files are not served|too many"),
                ("to-hidden-folder/file", "hidden files are not served|not a directory|too many"),
                ("file\0", "a path with a zero byte"),
                (&"x".repeat(300), "file name too long"),
                (&"x/".repeat(3000), "file name too long|no such file"),
            ] {
                let got = read(&folder, path).expect_err(path);
                let is_expected = why.split('|').any(|why| got.contains(why))
                    // A link that is only inspected isn't followed.
                    || folder.walk == Walk::Ours && got == "not a regular file";
                assert!(is_expected, "{path} by {:?}: {got}", folder.walk);
            }
        }
    }

    #[test]
    fn hidden_files_are_served_to_who_says_so() {
        let dir = tree();
        for folder in folders(&dir, true) {
            assert_eq!(read(&folder, ".dot").as_deref(), Ok("dot"));
            assert_eq!(read(&folder, ".hidden/file").as_deref(), Ok("hidden file"));
            assert_eq!(read(&folder, "...").as_deref(), Ok("three dots"));
            assert!(read(&folder, "../secret").is_err());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_whose_length_is_unknown_is_refused() {
        let proc = Folder::open(Path::new("/proc"), false).unwrap();
        assert!(matches!(proc.file(b"version"), Err(FolderError::UnknownLength)));
        let dir = tree();
        fs::write(dir.path().join("served/empty"), "").unwrap();
        for folder in folders(&dir, false) {
            assert_eq!(read(&folder, "empty").as_deref(), Ok(""));
        }
    }

    #[test]
    fn a_folder_has_to_be_one() {
        let dir = tree();
        for path in ["secret", "nothing"] {
            assert!(Folder::open(&dir.path().join(path), false).is_err());
        }
        let root = Folder::open(Path::new("/"), false).unwrap();
        assert!(root.file(b"etc/passwd").is_ok());
    }
}
