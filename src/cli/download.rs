//! A file being received, under another name until it is complete.

mod place;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Stdout, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::place::Place;
use super::failure::Failure;
use super::standard::{self, Waiting};
use crate::protocols::getfile::Store;
use crate::text::{count, reason};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// The destination of a download, and its progress.
#[derive(Debug)]
pub struct Download {
    to: Destination,
    /// Bytes left from an earlier transfer.
    offset: u64,
    bar: ProgressBar,
}

/// How far a download is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The bytes so far.
    pub bytes: u64,
    /// The length of the whole file, if known.
    pub len: Option<u64>,
    /// Bytes per second, over the last seconds.
    pub rate: f64,
    /// The seconds left at that rate.
    pub left: Option<f64>,
}

#[derive(Debug)]
enum Destination {
    StandardOutput(Waiting<Stdout>),
    /// A device, a pipe or the like, which is written to and never replaced.
    Special {
        path: PathBuf,
        file: File,
    },
    /// A file, named differently until it's complete.
    File {
        place: Place,
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
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Ok(Download::new(to, offset, target))
    }

    /// Prepares to receive a file to `place`, without showing its progress. With `resume`, continues an earlier
    /// transfer.
    pub fn at(place: Place, force: bool, resume: bool) -> Result<Download, Failure> {
        if force && place.is_special() {
            let path = place.path().display();
            return Err(Failure::new(format!("cannot write to {path}: it exists, and is not a regular file")));
        }
        let (to, offset) = Destination::open_part(place, force, resume)?;
        Ok(Download::new(to, offset, ProgressDrawTarget::hidden()))
    }

    fn new(to: Destination, offset: u64, target: ProgressDrawTarget) -> Download {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_draw_target(target);
        bar.set_style(style(UNKNOWN_LEN));
        bar.set_position(offset);
        bar.reset_eta();
        Download { to, offset, bar }
    }

    /// The bytes so far, with those of an earlier transfer, and how fast they arrive.
    pub fn progress(&self) -> Progress {
        let (bytes, len, rate) = (self.bar.position(), self.bar.length(), self.bar.per_sec());
        // A rate that has all but vanished is no basis for an estimate.
        let left = len.filter(|_| rate >= 1.0).map(|len| len.saturating_sub(bytes) as f64 / rate);
        Progress { bytes, len, rate, left }
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
            Destination::File { place, .. } => place.part().display().to_string(),
        }
    }

    /// Completes the download after all its bytes have arrived.
    pub fn finish(self) -> Result<(), Failure> {
        self.bar.finish();
        match self.to {
            Destination::StandardOutput(_) | Destination::Special { .. } => Ok(()),
            Destination::File { place, file, force } => {
                let kept = if force { place.keep_permissions(&file) } else { Ok(()) };
                kept.and_then(|()| place.rename(force)).map_err(|error| {
                    let (part, path) = (place.part(), place.path());
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
        match self.keep() {
            Some(kept) => failure.with_hint(&format!("{kept}{hint}")),
            None => failure,
        }
    }

    /// Abandons the download, and returns the bytes that are kept for another one to resume, if there are any.
    pub fn keep(self) -> Option<Kept> {
        self.bar.abandon();
        let Destination::File { place, file, .. } = &self.to else { return None };
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        if len == 0 {
            // An empty file is of no use.
            place.remove_part();
            return None;
        }
        Some(Kept { len, part: place.part() })
    }
}

/// The bytes of a download that was abandoned.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Their number.
    pub len: u64,
    /// The file that has them.
    pub part: PathBuf,
}

/// `1000000 bytes in .long.part`.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", count(self.len, "byte"), self.part.display())
    }
}

impl Store for Download {
    fn expect(&mut self, len: u64) {
        self.bar.set_length(self.offset + len);
        self.bar.set_style(style(KNOWN_LEN));
        // That takes a thread.
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(TICK);
        }
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
        Self::open_part(Place::at(path)?, force, resume)
    }

    fn open_part(place: Place, force: bool, resume: bool) -> Result<(Destination, u64), Failure> {
        let failed = |error: &io::Error| Failure::of_writing(&place.part().display().to_string(), error);
        let shown = place.path().display();
        let refuse_to_replace = || match place.is_taken() && !force {
            true => Err(Failure::new(format!("{shown} already exists (--force replaces it)"))),
            false => Ok(()),
        };
        refuse_to_replace()?;
        let Some(mut file) = place.open_part().map_err(|error| failed(&error))? else {
            return Err(Failure::new(format!("{shown} is being received already")));
        };
        // Another process may have finished the download between the two calls.
        if let Err(refused) = refuse_to_replace() {
            if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                // We have just created it.
                place.remove_part();
            }
            return Err(refused);
        }
        if !resume {
            file.set_len(0).map_err(|error| failed(&error))?;
        }
        let offset = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
        Ok((Destination::File { place, file, force }, offset))
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
