//! Colours on standard output.

use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

/// Whether text gets its colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    is_on: bool,
}

pub const PLAIN: Style = Style::new();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const RED: Style = AnsiColor::Red.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const BLUE: Style = AnsiColor::Blue.on_default();
pub const MAGENTA: Style = AnsiColor::Magenta.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

impl Paint {
    /// Uses colours if standard output is a terminal that has them and the environment doesn't forbid them.
    pub fn of_standard_output() -> Paint {
        Paint { is_on: AutoStream::choice(&io::stdout()) != ColorChoice::Never }
    }

    /// Uses colours.
    #[cfg(test)]
    pub fn always() -> Paint {
        Paint { is_on: true }
    }

    /// Gives `text` a style, unless it is empty.
    pub fn paint(self, style: Style, text: &str) -> String {
        match self.is_on && !text.is_empty() && style != PLAIN {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}
