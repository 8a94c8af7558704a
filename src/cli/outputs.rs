//! The files of results that a command writes, checked before its work begins.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::bench::whole::can_write_whole;
use crate::cli::failure::Failure;
use crate::text::reason;

/// Checks that all `outputs`, which are options and their values, can be written, and that files can be created in
/// `folder`. No output may be the same file as another, as one of `inputs`, or as a standard stream. Existing files stay
/// unchanged, and no new ones remain.
pub fn check<'a>(
    outputs: impl IntoIterator<Item = (&'static str, &'a Path)>,
    folder: Option<&Path>,
    inputs: &[PathBuf],
) -> Result<(), Failure> {
    let mut known = standard_streams();
    let id = |path: &PathBuf| identity(&fs::metadata(path).ok()?);
    known.extend(inputs.iter().filter_map(|path| Some((path.display().to_string(), id(path)?))));
    let mut trials = Vec::new();
    for (option, path) in outputs {
        let trial = Trial::of(path).map_err(|error| Failure::of_writing_file(path, &error))?;
        if let Some(identity) = trial.identity {
            let what = format!("{option} {}", path.display());
            if let Some((other, _)) = known.iter().find(|(_, other)| *other == identity) {
                return Err(Failure::of_usage(format!("{what} would overwrite {other}: give it a file of its own")));
            }
            known.push((what, identity));
        }
        trials.push(trial);
    }
    folder.map_or(Ok(()), try_folder)
}

/// Checks that files can be created in `folder`, which may not exist yet.
fn try_folder(folder: &Path) -> Result<(), Failure> {
    if fs::metadata(folder).is_ok_and(|there| !there.is_dir()) {
        return Err(cannot_make(folder, &Errno::EXIST.into()));
    }
    let is_missing = |folder: &&Path| fs::metadata(folder).is_err() && !folder.as_os_str().is_empty();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    let made = fs::create_dir_all(folder);
    let tried = if made.is_ok() { can_write_whole(&folder.join("plot.svg")) } else { Ok(()) };
    for new in missing {
        // The innermost first; those that were not made can't be removed.
        let _ = fs::remove_dir(new);
    }
    made.map_err(|error| cannot_make(folder, &error))?;
    tried.map_err(|error| Failure::of_writing(&folder.display().to_string(), &error))
}

/// The failure to make a folder.
pub fn cannot_make(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot make the folder {}: {}", folder.display(), reason(error)))
}

/// The device and number of a regular file, whatever its name.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Option<Identity> {
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// The regular files to which standard output and standard error go.
fn standard_streams() -> Vec<(String, Identity)> {
    let identity_of = |stream: &dyn AsFd| {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        identity(&file.metadata().ok()?)
    };
    let streams = [("standard output", identity_of(&io::stdout())), ("standard error", identity_of(&io::stderr()))];
    streams.into_iter().filter_map(|(name, identity)| Some((name.to_owned(), identity?))).collect()
}

/// A file that was opened for writing.
struct Trial {
    identity: Option<Identity>,
    /// The file, if there was none before.
    created: Option<PathBuf>,
}

impl Trial {
    fn of(path: &Path) -> io::Result<Trial> {
        let found = fs::metadata(path);
        // Opening a pipe could block, and closing it would end its reader's input.
        if found.as_ref().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Ok(Trial { identity: None, created: None });
        }
        let is_new = found.is_err_and(|error| error.kind() == ErrorKind::NotFound);
        // A dangling link leads to this new file from now on, so the link and its target count as the same.
        let file = File::options().write(true).create(is_new).truncate(false).open(path)?;
        let created = if is_new { Some(fs::canonicalize(path)?) } else { None };
        let trial = Trial { identity: identity(&file.metadata()?), created };
        if trial.identity.is_some() {
            can_write_whole(path)?;
        }
        Ok(trial)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(path) = &self.created {
            // If this fails, an empty file remains until it is written.
            let _ = fs::remove_file(path);
        }
    }
}
