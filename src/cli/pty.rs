//! A pseudo-terminal for a program that runs over a connection: it passes bytes through unchanged.
//!
//! A program that finds a terminal writes each line as it's made. Everything else that a terminal does is switched off:
//! line ends stay as they are, nothing is echoed, and no byte acts as a key such as Ctrl-C. Line mode stays on, because
//! it lets the key Ctrl-D mark the end of input; the alternative, a hang-up, would end the program. [`Typist`] types
//! bytes so that they all arrive.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open as open_file};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, tcgetattr, tcsetattr};

use crate::relay::Filter;

/// Both sides of a pseudo-terminal.
pub struct Pty {
    /// Our side: data written here is typed, and data read was printed.
    pub controller: OwnedFd,
    /// The program's side.
    pub terminal: OwnedFd,
}

/// Opens a pseudo-terminal.
///
/// # Errors
/// If the system has none left.
pub fn open() -> io::Result<Pty> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    // Some systems don't let it be opened with this flag.
    fcntl_setfd(&controller, FdFlags::CLOEXEC)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?;
    let terminal = open_file(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;

    let mut modes = tcgetattr(&terminal)?;
    modes.input_modes = InputModes::empty();
    modes.output_modes.remove(OutputModes::OPOST);
    modes.local_modes = LocalModes::ICANON | LocalModes::IEXTEN;
    for key in EDITING_KEYS {
        modes.special_codes[key] = DISABLED;
    }
    modes.special_codes[SpecialCodeIndex::VEOF] = CTRL_D;
    modes.special_codes[SpecialCodeIndex::VLNEXT] = CTRL_V;
    tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    Ok(Pty { controller, terminal })
}

/// Types bytes at a terminal so that the program reads exactly these.
#[derive(Default)]
pub struct Typist {
    /// Bytes since the last hand-over to the program.
    pending: usize,
}

impl Filter for Typist {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        for &byte in bytes {
            if byte == CTRL_D || byte == CTRL_V {
                out.push_back(CTRL_V);
            }
            out.push_back(byte);
            self.pending = if byte == b'\n' { 0 } else { self.pending + 1 };
            if self.pending == PENDING_MAX {
                self.hand_over(out);
            }
        }
    }

    fn end(&mut self, out: &mut VecDeque<u8>) {
        if self.pending > 0 {
            self.hand_over(out);
        }
        out.extend([CTRL_D; ENDS]);
    }
}

impl Typist {
    /// Types Ctrl-D: within a line it hands the program the bytes so far; anywhere else it means end of input.
    fn hand_over(&mut self, out: &mut VecDeque<u8>) {
        out.push_back(CTRL_D);
        self.pending = 0;
    }
}

const CTRL_D: u8 = 0x04;
/// Types the next byte literally.
const CTRL_V: u8 = 0x16;

/// How much of a line to type before handing it over: terminals drop input beyond a few thousand bytes, or even 255 on
/// some systems.
const PENDING_MAX: usize = 240;

/// The number of times to type the end. Unlike a pipe's, a terminal's EOF is consumed by one read, so it is sent
/// repeatedly. Otherwise a program that reads again, such as one that had a partial line, would wait forever.
const ENDS: usize = 64;

/// Keys that edit or end the line; no byte may act as one of them.
const EDITING_KEYS: [SpecialCodeIndex; 7] = [
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VEOL2,
];

/// The value that disables a key.
const DISABLED: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xff };

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::thread;

    use super::*;

    #[test]
    fn every_byte_arrives_and_then_the_end() {
        let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let long_line = vec![b'x'; 3 * PENDING_MAX];
        let with_an_end = [&long_line[..], b"\n"].concat();
        for bytes in [&every[..], &long_line, &with_an_end, b"", b"\n", b"\x04\x16\0"] {
            for len_max in [1, PENDING_MAX, 100_000] {
                let Pty { controller, terminal } = open().unwrap();
                let (mut typist, mut typed) = (Typist::default(), VecDeque::new());
                for chunk in bytes.chunks(1000) {
                    typist.pass(chunk, &mut typed);
                }
                typist.end(&mut typed);
                let mut controller = File::from(controller);
                thread::scope(|scope| {
                    scope.spawn(|| controller.write_all(typed.make_contiguous()).unwrap());
                    let mut terminal = File::from(terminal);
                    let (mut got, mut piece) = (Vec::new(), vec![0; len_max]);
                    loop {
                        match terminal.read(&mut piece).unwrap() {
                            0 => break,
                            len => got.extend_from_slice(&piece[..len]),
                        }
                    }
                    assert!(got == bytes, "{} of {} bytes, at most {len_max} at once", got.len(), bytes.len());
                    assert_eq!(terminal.read(&mut piece).unwrap(), 0, "and again");
                });
            }
        }
    }

    #[test]
    fn what_is_printed_comes_as_it_is() {
        let Pty { controller, terminal } = open().unwrap();
        let printed = b"a\n\tb\r\n\x04\xff";
        File::from(terminal.try_clone().unwrap()).write_all(printed).unwrap();
        let mut got = [0; 8];
        let mut controller = File::from(controller);
        controller.read_exact(&mut got).unwrap();
        assert_eq!(&got, printed);
        drop(terminal);
        assert!(controller.read(&mut got).is_err(), "it was hung up, with nothing left");
    }
}
