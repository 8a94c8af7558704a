//! The fields of the form, checked.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::cli::address::{Address, port};
use crate::cli::call::getfile::failed::Field;
use crate::cli::download::Place;
use crate::cli::failure::{Failure, reason_of_folder};
use crate::folder::{Folder, FolderError};
use crate::protocols::getfile::PORT;

/// The fields as the user has filled them in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fields {
    /// The server's name or address, without a port.
    pub server: String,
    /// Its port; an empty one is the protocol's.
    #[serde(default)]
    pub port: String,
    /// The file's path on the server.
    pub file: String,
    /// The local folder, below the folder for all files; an empty one is that folder itself.
    #[serde(default)]
    pub folder: String,
    /// Whether to resume an earlier transfer or to start over; `None` if the user has not been asked yet.
    #[serde(default)]
    pub resume: Option<bool>,
}

/// The errors of the fields.
pub type Errors = Vec<(Field, String)>;

/// The fields, checked.
#[derive(Debug)]
pub struct Checked {
    /// The server.
    pub address: Address,
    /// The place for the file.
    pub place: Place,
}

/// The folder for all files.
#[derive(Debug)]
pub struct Root {
    folder: Folder,
    path: PathBuf,
}

impl Root {
    /// Opens the folder at `path`.
    pub fn open(path: &Path) -> Result<Root, Failure> {
        let failed = |error: io::Error| {
            let why = reason_of_folder(&error);
            Failure::new(format!("cannot use the folder {}: {why}", path.display()))
        };
        let folder = Folder::open(path, true).map_err(failed)?;
        Ok(Root { folder, path: fs::canonicalize(path).map_err(failed)? })
    }

    /// Its path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder at `path` below this one, and returns it with its path for messages.
    fn below(&self, path: &str) -> Result<(Folder, PathBuf), String> {
        let shown = self.path.join(path);
        let outside = || format!("{} is not below {}", shown.display(), self.path.display());
        if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside());
        }
        match self.folder.folder(path.as_bytes()) {
            // `components` drops `.` and repeated slashes.
            Ok(folder) => Ok((folder, shown.components().collect())),
            Err(FolderError::Outside) => Err(outside()),
            Err(FolderError::System(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("there is no folder {}", shown.display()))
            }
            Err(error) => Err(format!("cannot use the folder {}: {error}", shown.display())),
        }
    }
}

impl Fields {
    /// Checks all fields, and opens the local folder below `root`.
    ///
    /// # Errors
    /// The errors of all fields together.
    pub fn check(&self, root: &Root) -> Result<Checked, Errors> {
        let mut errors = Errors::new();
        let server = self.server().map_err(|why| errors.push((Field::Server, why)));
        let port = self.port().map_err(|why| errors.push((Field::Port, why)));
        let name = self.name().map_err(|why| errors.push((Field::File, why)));
        let folder = root.below(self.folder.trim()).map_err(|why| errors.push((Field::Folder, why)));
        match (server, port, name, folder) {
            (Ok(server), Ok(port), Ok(name), Ok((folder, path))) => {
                Ok(Checked { address: server.or_port(port), place: Place::in_folder(folder, &path, name) })
            }
            _ => Err(errors),
        }
    }

    fn server(&self) -> Result<Address, String> {
        let server = self.server.trim();
        if server.is_empty() {
            return Err("the server is missing".into());
        }
        let address: Address = server.parse()?;
        if address.is_complete() && !address.is_unix() {
            return Err("the port has a field of its own".into());
        }
        Ok(address)
    }

    fn port(&self) -> Result<u16, String> {
        match self.port.trim() {
            "" => Ok(PORT),
            number => match port(number)? {
                0 => Err("no server has port 0".into()),
                number => Ok(number),
            },
        }
    }

    /// The file's local name: the last one of its path.
    fn name(&self) -> Result<&OsStr, String> {
        if self.file.is_empty() || self.file.contains(['\n', '\0']) {
            return Err("the path must not be empty, or contain a line break or a zero byte".into());
        }
        Path::new(&self.file).file_name().ok_or_else(|| "the path does not end with a file's name".into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn fields(server: &str, port: &str, file: &str, folder: &str) -> Fields {
        let [server, port, file, folder] = [server, port, file, folder].map(str::to_owned);
        Fields { server, port, file, folder, resume: None }
    }

    #[test]
    fn each_error_belongs_to_a_field() {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("into/sub")).unwrap();
        fs::write(dir.path().join("into/file"), "").unwrap();
        symlink("..", dir.path().join("into/up")).unwrap();
        symlink("sub", dir.path().join("into/link")).unwrap();
        let root = Root::open(&dir.path().join("into")).unwrap();
        let top = root.path().to_owned();
        let server = |text: &str| fields(text, "", "a", "");
        let port = |text: &str| fields("localhost", text, "a", "");
        let file = |text: &str| fields("localhost", "", text, "");
        let folder = |text: &str| fields("localhost", "", "a", text);
        for (fields, field, why) in [
            (server(" "), Field::Server, "missing"),
            (server("localhost:50001"), Field::Server, "a field of its own"),
            (server("50001"), Field::Server, "a field of its own"),
            (server("a:b:c"), Field::Server, "more than one ':'"),
            (port("0"), Field::Port, "no server has port 0"),
            (port("x"), Field::Port, "'x' is not a port"),
            (port("65536"), Field::Port, "is not a port"),
            (file(""), Field::File, "must not be empty"),
            (file("a\nb"), Field::File, "line break"),
            (file("a\0b"), Field::File, "zero byte"),
            (file(".."), Field::File, "a file's name"),
            (file("/"), Field::File, "a file's name"),
            (folder("/"), Field::Folder, "is not below"),
            (folder("/etc"), Field::Folder, "is not below"),
            (folder(".."), Field::Folder, "is not below"),
            (folder("sub/../.."), Field::Folder, "is not below"),
            (folder("sub/.."), Field::Folder, "is not below"),
            (folder("up"), Field::Folder, "up"),
            (folder("nothing"), Field::Folder, "there is no folder"),
            (folder("file"), Field::Folder, "not a directory"),
            (folder("a\0b"), Field::Folder, "zero byte"),
        ] {
            let errors = fields.check(&root).unwrap_err();
            assert!(matches!(&errors[..], [(found, text)] if *found == field && text.contains(why)), "{errors:?}");
        }
        for (folder, path) in [("", "a"), (".", "a"), ("sub", "sub/a"), (" ./sub//. ", "sub/a")] {
            let checked = fields("localhost", "", "x/a", folder).check(&root).unwrap();
            assert_eq!(checked.place.path(), top.join(path));
            assert_eq!(checked.address.to_string(), "localhost:50001");
        }
        assert_eq!(fields("", "x", "", "..").check(&root).unwrap_err().len(), 4, "all at once");
        assert_eq!(fields("::1", "7", "a", "").check(&root).unwrap().address.to_string(), "[::1]:7");
    }
}
