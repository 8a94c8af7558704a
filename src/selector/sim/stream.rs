//! Our ends of simulated connections.

use std::io::{self, IoSlice, Read, Write};

use super::SimNet;
use crate::address::Addr;
use crate::buffer::Contents;
use crate::selector::{Listener, Stream, copy_file};

/// A connection on a [`SimNet`]. Dropping it closes it.
#[derive(Debug)]
pub struct SimStream {
    pub(super) net: SimNet,
    pub(super) id: usize,
    /// The address of our side.
    pub(super) local: Addr,
}

impl Read for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.net.network().read(self.id, buffer)
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.net.network().write(self.id, parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for SimStream {
    fn local_addr(&self) -> io::Result<Addr> {
        Ok(self.local)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.net.network().with_link(self.id, |link, _| link.end_output())
    }

    fn reset_on_close(&mut self) {
        self.net.network().with_link(self.id, |link, _| link.resets_on_close = true);
    }

    fn send_file(&mut self, file: &dyn Contents, offset: u64, len: usize) -> io::Result<usize> {
        let (len, room) = {
            let mut network = self.net.network();
            (network.read_file(offset, len)?, network.link(self.id).room())
        };
        // One byte more than there is room for fills the window.
        copy_file(self, file, offset, len.min(room.saturating_add(1)))
    }

    fn connected(&mut self) -> io::Result<bool> {
        self.net.network().link(self.id).connected()
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.net.network().close(self.id);
    }
}

/// A listening socket on a [`SimNet`]. Dropping it closes it, and resets connections that wait to be accepted.
#[derive(Debug)]
pub struct SimListener {
    pub(super) net: SimNet,
    pub(super) index: usize,
    pub(super) addr: Addr,
}

impl Listener for SimListener {
    fn local_addr(&self) -> io::Result<Addr> {
        Ok(self.addr)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.net.network().close_listener(self.index);
    }
}
