//! `--form`: a page on loopback with the form of the texts, and the downloads that are started there.
//!
//! One reactor has the page's connections and those of the downloads. The page can do nothing that the command line
//! can't, and only below one folder; only a browser that knows the token in the address can use it.

mod downloads;
mod fields;
mod names;
mod page;
mod service;
mod session;
mod token;
mod transfer;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;

use self::downloads::Downloads;
pub use self::downloads::Settings;
use self::fields::Root;
use self::names::Names;
use self::service::FormService;
use self::session::Form;
use crate::address::Addr;
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::signals::{self, INTERRUPTED};
use crate::cli::stdout::print;
use crate::cli::trace;
use crate::connection;
use crate::models::{self, Inherited};
use crate::reactor::{Config, Reactor};
use crate::selector::{MioSelector, Selector, SocketListener};
use crate::trace::Log;

/// The most connections of browsers at once.
const PAGE_CONNECTIONS: usize = 32;

/// The form, and the folder for its files.
#[derive(Debug, Args)]
pub struct FormOptions {
    /// Show a form for downloads to browsers on this machine, on a loopback ADDRESS or PORT, until interrupted. It prints
    /// the page's address, whose token keeps other pages out [default: a free port of 127.0.0.1]
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        requires = "into",
        conflicts_with_all = ["address", "path", "output", "resume"]
    )]
    form: Option<Option<Address>>,
    /// Where the form's files go: this folder, and folders below it
    #[arg(long, value_name = "DIR", requires = "form")]
    into: Option<PathBuf>,
}

impl FormOptions {
    pub fn is_given(&self) -> bool {
        self.form.is_some()
    }

    /// Serves the form until it is interrupted.
    pub fn run(self, settings: Settings) -> Result<(), Failure> {
        let folder = self.into.ok_or_else(|| Failure::of_usage("--into is missing"))?;
        let address = self.form.flatten().unwrap_or_else(|| Address::loopback(0)).or_port(0);
        let root = Root::open(&folder)?;
        let listening = listen(&address)?;
        let failed = |error| Failure::of_loop(&error);
        let selector = MioSelector::new().map_err(failed)?;
        let names = Names::new(selector.waker());
        let timeout = settings.timeout;
        let downloads = Rc::new(RefCell::new(Downloads::new(root, settings, names)));
        let form = Rc::new(Form { token: token::random()?, downloads: Rc::clone(&downloads) });
        let mut line = String::new();
        for (_, addr) in &listening {
            let _ = writeln!(line, "Form on http://{addr}/{}/", form.token);
        }
        let connection = connection::Config { connect_timeout: timeout, ..connection::Config::default() };
        let config = Config { connections_max: PAGE_CONNECTIONS, ..Config::from(connection) };
        let mut reactor =
            Reactor::with_subscriber(selector, FormService::new(form), config, (Log, trace::subscriber()));
        for (listener, _) in listening {
            reactor.add_listener(listener).map_err(failed)?;
        }
        signals::stop_when_interrupted(&reactor.handle())?;
        print(line.as_bytes())?;
        reactor.run().map_err(failed)?;
        let unfinished = downloads.borrow_mut().interrupt();
        let failures = unfinished.into_iter().map(|words| Failure::with_status(INTERRUPTED, words)).collect();
        Failure::all_of(failures)
    }
}

/// Listens on the loopback addresses that `address` means.
fn listen(address: &Address) -> Result<Vec<(SocketListener, Addr)>, Failure> {
    let addresses = address.to_listen_on(1)?.concat();
    let is_loopback = |addr: &Addr| addr.inet().is_some_and(|addr| addr.ip().to_canonical().is_loopback());
    if let Some(addr) = addresses.iter().find(|addr| !is_loopback(addr)) {
        return Err(Failure::of_usage(format!(
            "the form is for this machine alone, and {addr} is not a loopback address"
        )));
    }
    models::listen_alone(&addresses, None, &mut Inherited::default()).map_err(|error| Failure::new(error.to_string()))
}
