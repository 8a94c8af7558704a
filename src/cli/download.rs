//! A file being received, under another name until it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Stdout, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::failure::{Failure, reason_of_folder};
use super::standard::{self, Waiting};
use crate::protocols::getfile::Store;
use crate::text::{count, reason};

/// The destination of a download, and its progress.
#[derive(Debug)]
pub struct Download {
    to: Destination,
    /// Bytes left from an earlier transfer.
    offset: u64,
    bar: ProgressBar,
}

#[derive(Debug)]
enum Destination {
    StandardOutput(Waiting<Stdout>),
    /// A device, a pipe or the like, which is written to and never replaced.
    Special {
        path: PathBuf,
        file: File,
    },
    /// A file, named `part` until it's complete.
    File {
        path: PathBuf,
        part: PathBuf,
        file: File,
        force: bool,
    },
}

impl Download {
    /// Prepares to receive a file to `output` (`-` is standard output), or to a file named by the last component of
    /// `path`. With `resume`, continues an earlier transfer. Shows progress on a terminal if `visible`.
    pub fn to(
        output: Option<&Path>,
        path: &OsStr,
        force: bool,
        resume: bool,
        visible: bool,
    ) -> Result<Download, Failure> {
        let (to, offset) = Destination::open(output, path, force, resume)?;
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if visible {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_style(style(UNKNOWN_LEN));
        bar.set_position(offset);
        bar.reset_eta();
        Ok(Download { to, offset, bar })
    }

    /// The number of bytes that need not be sent again.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The destination's name, for messages.
    pub fn name(&self) -> String {
        match &self.to {
            Destination::StandardOutput(_) => "standard output".into(),
            Destination::Special { path, .. } => path.display().to_string(),
            Destination::File { part, .. } => part.display().to_string(),
        }
    }

    /// Completes the download after all its bytes have arrived.
    pub fn finish(self) -> Result<(), Failure> {
        self.bar.finish();
        match self.to {
            Destination::StandardOutput(_) | Destination::Special { .. } => Ok(()),
            Destination::File { path, part, file, force } => {
                let kept = if force { keep_permissions(&file, &path) } else { Ok(()) };
                kept.and_then(|()| rename(&part, &path, force)).map_err(|error| {
                    let why = match error.kind() {
                        io::ErrorKind::AlreadyExists => {
                            "a file of that name exists by now (--force replaces it)".into()
                        }
                        _ => reason(&error),
                    };
                    Failure::new(format!("cannot rename {} to {}: {why}", part.display(), path.display()))
                })
            }
        }
    }

    /// Abandons the download. Keeps the bytes that have arrived, and adds their place and a hint to `failure`.
    pub fn give_up(self, failure: Failure, hint: &str) -> Failure {
        self.bar.abandon();
        let Destination::File { part, file, .. } = &self.to else { return failure };
        match file.metadata().map_or(0, |metadata| metadata.len()) {
            0 => {
                // An empty file is of no use.
                let _ = fs::remove_file(part);
                failure
            }
            len => failure.with_hint(&format!("{} in {}{hint}", count(len, "byte"), part.display())),
        }
    }
}

impl Store for Download {
    fn expect(&mut self, len: u64) {
        self.bar.set_length(self.offset + len);
        self.bar.set_style(style(KNOWN_LEN));
        self.bar.enable_steady_tick(TICK);
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.to {
            Destination::StandardOutput(out) => out.write_all(bytes)?,
            Destination::Special { file, .. } | Destination::File { file, .. } => file.write_all(bytes)?,
        }
        self.bar.inc(bytes.len() as u64);
        Ok(())
    }
}

impl Destination {
    fn open(output: Option<&Path>, path: &OsStr, force: bool, resume: bool) -> Result<(Destination, u64), Failure> {
        if output.is_some_and(|output| output.as_os_str() == "-") {
            return match resume {
                true => Err(Failure::of_usage("--resume requires a file, and standard output is none")),
                false => Ok((Destination::StandardOutput(standard::output()), 0)),
            };
        }
        let path = local_path(output, path)?;
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            let opened = OpenOptions::new().write(true).open(&path);
            let file = opened.map_err(|error| Failure::of_writing(&path.display().to_string(), &error))?;
            return Ok((Destination::Special { path, file }, 0));
        }
        Self::open_part(path, force, resume)
    }

    fn open_part(path: PathBuf, force: bool, resume: bool) -> Result<(Destination, u64), Failure> {
        let name = path.file_name().expect("a local path has a last name");
        let part = path.with_file_name([OsStr::new("."), name, OsStr::new(".part")].into_iter().collect::<OsString>());
        let failed = |error: &io::Error| Failure::of_writing(&part.display().to_string(), error);
        let refuse_to_replace = || {
            // A dangling link counts as existing, too.
            match fs::symlink_metadata(&path).is_ok() && !force {
                true => Err(Failure::new(format!("{} already exists (--force replaces it)", path.display()))),
                false => Ok(()),
            }
        };
        refuse_to_replace()?;
        // The new file must not be readable for users that could not read the old one.
        let mode = if existing(&path).is_some() { 0o600 } else { 0o666 };
        let opened = open_locked(&part, mode).map_err(|error| match error.kind() {
            // Its folder is missing, so the name of the part would only distract.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Failure::new(format!("cannot write to {}: {}", path.display(), reason_of_folder(&error)))
            }
            _ => failed(&error),
        });
        let Some(mut file) = opened? else {
            return Err(Failure::new(format!("{} is being received already", path.display())));
        };
        // Another process may have finished the download between the two calls.
        if let Err(refused) = refuse_to_replace() {
            if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                // We have just created it.
                let _ = fs::remove_file(&part);
            }
            return Err(refused);
        }
        if !resume {
            file.set_len(0).map_err(|error| failed(&error))?;
        }
        let offset = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
        Ok((Destination::File { path, part, file, force }, offset))
    }
}

/// The regular file at `path`, if there is one.
fn existing(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok().filter(Metadata::is_file)
}

/// Gives `file` the permissions of the file at `path` that it replaces, and its owner and group where we may.
fn keep_permissions(file: &File, path: &Path) -> io::Result<()> {
    let Some(old) = existing(path) else { return Ok(()) };
    let mut mode = old.mode() & 0o777;
    let is_same_group =
        fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid()))).is_ok();
    if !is_same_group {
        // A new group gets no more rights than others have.
        mode = mode & !0o070 | (mode & 0o007) << 3;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// Opens or creates the file at `part`, with `mode`, and locks it for this process. `None` if another process holds the
/// lock.
fn open_locked(part: &Path, mode: u32) -> io::Result<Option<File>> {
    loop {
        // Another user with write access to the folder may have put a link to one of our files there.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(mode).custom_flags(flags).open(part)?;
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(io::Error::other("it exists, and is not a regular file"));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
        // Another process may have finished between the two calls, and renamed or removed the file.
        if fs::symlink_metadata(part).is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())) {
            return Ok(Some(file));
        }
    }
}

/// The file to write: `output`, or one named like `path` on the server, in the current folder or in the folder
/// `output`.
fn local_path(output: Option<&Path>, path: &OsStr) -> Result<PathBuf, Failure> {
    let folder = match output {
        Some(output) if !output.is_dir() => {
            let is_name = output.file_name().is_some() && !output.as_os_str().as_bytes().ends_with(b"/");
            return match is_name {
                true => Ok(output.to_owned()),
                false => Err(Failure::new(format!("there is no folder {}", output.display()))),
            };
        }
        Some(folder) => folder,
        None => Path::new(""),
    };
    match Path::new(path).file_name() {
        Some(name) => Ok(folder.join(name)),
        None => Err(Failure::of_usage("PATH does not end with a file's name; name the file with --output FILE")),
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename(part: &Path, path: &Path, force: bool) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    if !force {
        match renameat_with(CWD, part, CWD, path, RenameFlags::NOREPLACE) {
            // Not every file system supports this.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return Ok(result?),
        }
    }
    fs::rename(part, path)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename(part: &Path, path: &Path, _force: bool) -> io::Result<()> {
    fs::rename(part, path)
}

const KNOWN_LEN: &str = "{percent:>3}% [{wide_bar}] {bytes} of {total_bytes}, {rate}, {left} left";
const UNKNOWN_LEN: &str = "{bytes}, {rate}";
/// The interval between redraws when nothing arrives.
const TICK: Duration = Duration::from_millis(250);

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("=> ")
        .with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}/s", indicatif::BinaryBytes(state.per_sec() as u64));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", indicatif::HumanDuration(state.eta()));
        })
}
