//! A pseudo-terminal for a program that is run over a connection: it takes bytes as they are, and changes none.
//!
//! A program that finds a terminal writes each line as it's made. What else a terminal does is switched off: line ends
//! stay as they are, nothing is echoed, no byte is a key like Ctrl-C. But its lines stay lines, since only so can a
//! terminal tell the end of input without a hang-up, which would end the program: by a key, Ctrl-D. How bytes are typed so
//! that they all arrive is [`Typist`]'s.

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
    /// Ours: what is written here is typed, and what is read was printed.
    pub controller: OwnedFd,
    /// The program's.
    pub terminal: OwnedFd,
}

/// A pseudo-terminal of our own.
///
/// # Errors
/// Where the system has none left.
pub fn open() -> io::Result<Pty> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    // Not every system lets it be opened so.
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

/// Types bytes at a terminal so that the program reads just these.
#[derive(Default)]
pub struct Typist {
    /// Bytes since the program was last given some.
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
    /// In the middle of a line, Ctrl-D gives the program what there is of it. Anywhere else it's the end.
    fn hand_over(&mut self, out: &mut VecDeque<u8>) {
        out.push_back(CTRL_D);
        self.pending = 0;
    }
}

const CTRL_D: u8 = 0x04;
/// The next byte is itself.
const CTRL_V: u8 = 0x16;

/// How much of a line to type before what there is of it is handed over: terminals drop what goes beyond a few thousand
/// bytes, or even 255 on some systems.
const PENDING_MAX: usize = 240;

/// How often to type the end. Unlike that of a pipe, a terminal's is read once: who asks again, such as a program that
/// reads lines and had the beginning of one, or the next of several, would wait for ever.
const ENDS: usize = 64;

/// Keys that change the line, or end it, for which no byte is to be taken.
const EDITING_KEYS: [SpecialCodeIndex; 7] = [
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VEOL2,
];

/// What a key is where there is none.
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
