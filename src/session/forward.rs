//! The methods that a wrapper leaves to the session or the service inside it, once for all wrappers.

/// Forwards to the session in a field all methods but `advance`.
macro_rules! forward_session {
    ($session:ident) => {
        fn deadline(&self) -> Option<std::time::Instant> {
            self.$session.deadline()
        }

        fn is_idle(&self) -> bool {
            self.$session.is_idle()
        }

        fn refuse(&mut self, output: &mut $crate::buffer::Output<'_>, why: &str) {
            self.$session.refuse(output, why);
        }

        fn state(&self, unused: usize) -> $crate::session::State {
            self.$session.state(unused)
        }
    };
}

/// Forwards to the service in a field, or behind a call, the methods that deal with no session.
macro_rules! forward_service {
    ($($service:tt)+) => {
        fn reload(&mut self) -> Option<$crate::session::Reload> {
            self.$($service)+.reload()
        }

        fn has_messages(&self) -> bool {
            self.$($service)+.has_messages()
        }

        fn opens_connections(&self) -> bool {
            self.$($service)+.opens_connections()
        }
    };
}

pub(crate) use {forward_service, forward_session};
