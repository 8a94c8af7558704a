//! Bugs of the kinds that event loops really have. Each is a change of a few lines to the production code.

use crate::bug::Bug;

pub const BUGS: &[Bug] = &[
    // Readiness and interest.
    Bug {
        name: "edge-lost",
        what: "An edge that arrives while the connection doesn't read is forgotten",
        file: "connection.rs",
        before: "self.readable |= readiness.readable;",
        after: "self.readable |= readiness.readable && self.progress == Progress::NeedInput;",
    },
    Bug {
        name: "edge-cleared-by-read",
        what: "Every read clears the edge, even one that has filled its buffer",
        file: "connection/transfer.rs",
        before: "self.readable = len == room || self.input_end != InputEnd::Open || self.urgent;",
        after: "self.readable = self.input_end != InputEnd::Open || self.urgent;",
    },
    Bug {
        name: "end-behind-short-read",
        what: "A short read clears the edge though the peer's end is known to follow",
        file: "connection/transfer.rs",
        before: "self.readable = len == room || self.input_end != InputEnd::Open || self.urgent;",
        after: "self.readable = len == room || self.urgent;",
    },
    Bug {
        name: "would-block-is-end",
        what: "A read that would block is taken for the end of the stream",
        file: "connection/transfer.rs",
        before: "            None => {
                (self.readable, self.urgent) = (false, false);
                Ok(Received::Nothing)",
        after: "            None => {
                (self.readable, self.urgent) = (false, false);
                self.input_end = InputEnd::Read;
                Ok(Received::End)",
    },
    Bug {
        name: "would-block-keeps-edge",
        what: "A read that would block leaves the connection readable",
        file: "connection/transfer.rs",
        before: "                (self.readable, self.urgent) = (false, false);
                Ok(Received::Nothing)",
        after: "                self.urgent = false;
                Ok(Received::Nothing)",
    },
    Bug {
        name: "full-keeps-writable",
        what: "A full stream counts as writable while output waits",
        file: "connection/transfer.rs",
        before: "        self.writable && self.left_over.has_output()",
        after: "        self.left_over.has_output()",
    },
    Bug {
        name: "short-write-is-whole",
        what: "A short write counts as complete",
        file: "connection/transfer.rs",
        before: "Ok(sent) if sent < len || has_chunks => Some(io.output.take_rest(sent)),",
        after: "Ok(0) if len > 0 || has_chunks => Some(io.output.take_rest(0)),",
    },
    Bug {
        name: "sent-twice",
        what: "After a short write, a byte that was sent is sent again",
        file: "connection/transfer.rs",
        before: "Some(io.output.take_rest(sent)),",
        after: "Some(io.output.take_rest(sent.saturating_sub(1))),",
    },
    Bug {
        name: "output-freed-early",
        what: "Waiting output is freed by the next partial write",
        file: "connection/transfer.rs",
        before: "            kept.output.consume(len);
            sent += len;",
        after: "            kept.output.consume(len);
            if len > 0 && len < len_max {
                kept.output.clear();
            }
            sent += len;",
    },
    Bug {
        name: "interest-not-registered-again",
        what: "A changed interest is recorded but not registered",
        file: "reactor.rs",
        before: "            self.selector.reregister(stream, token, wanted)
        };",
        after: "            Ok(())
        };",
    },
    Bug {
        name: "no-write-interest",
        what: "A connection with output left registers no write interest",
        file: "connection/interest.rs",
        before: "writable: self.has_output,
            // A session",
        after: "writable: self.has_output && !self.reads(),
            // A session",
    },
    Bug {
        name: "write-interest-for-ever",
        what: "Write interest stays when all output is sent",
        file: "connection/interest.rs",
        before: "            writable: self.has_output,
            // A session",
        after: "            writable: true,
            // A session",
    },
    Bug {
        name: "no-back-pressure",
        what: "A peer that doesn't read its replies goes on being read",
        file: "connection/interest.rs",
        before: "Progress::NeedInput => !self.is_full,",
        after: "Progress::NeedInput => true,",
    },
    Bug {
        name: "drain-waits-to-read",
        what: "A draining connection registers read interest instead of write interest",
        file: "connection/close.rs",
        before: "false => Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() },",
        after: "false => Outcome::Wait { interest: Interest::READ, deadline: self.deadline() },",
    },
    // Tokens and queues.
    Bug {
        name: "stale-token",
        what: "An old id finds the new connection in its slot",
        file: "reactor/slots.rs",
        before: "self.slab.get_mut(id.key()).filter(|slot| slot.generation == id.generation())",
        after: "self.slab.get_mut(id.key())",
    },
    Bug {
        name: "queued-twice",
        what: "A connection can be in the runnable queue twice",
        file: "reactor/slot.rs",
        before: "if !mem::replace(&mut self.is_runnable, true) {",
        after: "self.is_runnable = true;
        {",
    },
    Bug {
        name: "never-queued-again",
        what: "A connection that has run keeps the mark of being queued",
        file: "reactor/slot.rs",
        before: "        self.is_runnable = false;",
        after: "        self.is_runnable = self.is_busy;",
    },
    Bug {
        name: "yield-not-queued",
        what: "A connection that has used up its share isn't queued again",
        file: "reactor.rs",
        before: "                slot.enqueue(id, &mut self.runnable);
                return work;",
        after: "                return work;",
    },
    Bug {
        name: "busy-never-run",
        what: "Busy connections run only if nothing else does",
        file: "reactor.rs",
        before: "        while work_left > 0
            && let Some(id)",
        after: "        if events > 0 {
            work_left = 0;
        }
        while work_left > 0
            && let Some(id)",
    },
    Bug {
        name: "woken-lost",
        what: "A wake-up during a call of the inbox is lost",
        file: "reactor.rs",
        before: "            slot.connection.woken();
            slot.enqueue(id, &mut self.runnable);",
        after: "            slot.enqueue(id, &mut self.runnable);",
    },
    Bug {
        name: "messages-not-counted",
        what: "The message budget is never used up, so a fast peer keeps the loop",
        file: "connection/transfer.rs",
        before: "        turn.budget.messages = io.messages_left;",
        after: "        turn.budget.messages = io.messages_left.max(1);",
    },
    Bug {
        name: "reads-not-counted",
        what: "The bytes read in a run aren't taken off its budget",
        file: "connection/budget.rs",
        before: "        self.readable = self.readable.saturating_sub(len);",
        after: "",
    },
    // Timers.
    Bug {
        name: "timer-not-set-again",
        what: "A timer that fires before a postponed deadline isn't set again",
        file: "reactor.rs",
        before: "Alarm::Early { later } => self.timers.set(id, later),",
        after: "Alarm::Early { .. } => {}",
    },
    Bug {
        name: "earlier-deadline-ignored",
        what: "A deadline that moves forward doesn't move its timer",
        file: "reactor/slot.rs",
        before: "self.timer.is_some_and(|timer| deadline.is_none_or(|deadline| timer <= deadline))",
        after: "self.timer.is_some()",
    },
    Bug {
        name: "later-of-two-deadlines",
        what: "Of two deadlines the later one counts",
        file: "connection.rs",
        before: "(Some(one), Some(other)) => Some(one.min(other)),",
        after: "(Some(one), Some(other)) => Some(one.max(other)),",
    },
    Bug {
        name: "select-sleeps-too-long",
        what: "The loop doesn't wake for its timers",
        file: "reactor.rs",
        before: "let deadline = earlier(earlier(self.timers.next(), retry_at), self.stopping.or(self.delayed_stop.at()));",
        after: "let deadline = earlier(retry_at, self.stopping.or(self.delayed_stop.at()));",
    },
    Bug {
        name: "idle-not-renewed",
        what: "Input doesn't renew the idle timeout",
        file: "connection/transfer.rs",
        before: "        if received > 0 || made_output {
            self.idle_until = None;",
        after: "        if made_output && received == 0 {
            self.idle_until = None;",
    },
    Bug {
        name: "idle-always-renewed",
        what: "Every run renews the idle timeout, so a silent peer stays for ever",
        file: "connection/serve.rs",
        before: "*self.idle_until.get_or_insert_with(|| turn.now + timeout)",
        after: "*self.idle_until.insert(turn.now + timeout)",
    },
    Bug {
        name: "write-timeout-renewed",
        what: "A write attempt in vain renews the write timeout",
        file: "connection/left_over.rs",
        before: "        if has_sent {
            kept.wait",
        after: "        if has_sent || kept.wait.is_some() {
            kept.wait",
    },
    Bug {
        name: "write-timeout-not-renewed",
        what: "Progress of a slow reader doesn't renew the write timeout",
        file: "connection/left_over.rs",
        before: "        if has_sent {
            kept.wait",
        after: "        if has_sent && kept.wait.is_none() {
            kept.wait",
    },
    Bug {
        name: "linger-for-ever",
        what: "A lingering connection has no deadline",
        file: "connection/close.rs",
        before: "            if turn.now >= lingering.until {
                break Event::DeadlinePassed;
            }",
        after: "            if turn.now >= lingering.until {
                lingering.until = turn.now + turn.config.linger_timeout;
            }",
    },
    Bug {
        name: "linger-without-limit",
        what: "A lingering connection reads input without limit",
        file: "connection/close.rs",
        before: "lingering.left = lingering.left.saturating_sub(len);",
        after: "lingering.left = lingering.left.saturating_sub(len).max(1);",
    },
    Bug {
        name: "linger-limit-ignored-at-first",
        what: "The first input that a lingering connection drops isn't counted",
        file: "connection/close.rs",
        before: "                    lingering.left = lingering.left.saturating_sub(len);
                    if lingering.left == 0 {",
        after: "                    if lingering.left < turn.config.linger_len_max {
                        lingering.left = lingering.left.saturating_sub(len);
                    } else {
                        lingering.left = lingering.left.saturating_sub(1);
                    }
                    if lingering.left == 0 {",
    },
    Bug {
        name: "slow-message-forgiven",
        what: "Each byte of a message renews its timeout",
        file: "protocols/app/server.rs",
        before: "        match self.patience.observe(position, self.shared.timeouts.of(position.phase), now) {",
        after: "        self.patience.restart();
        match self.patience.observe(position, self.shared.timeouts.of(position.phase), now) {",
    },
    // Ends.
    Bug {
        name: "half-close-is-close",
        what: "A peer's half-close drops the replies that are on their way",
        file: "connection/serve.rs",
        before: "        let event = if self.input_end == InputEnd::Read { Event::InputEnded } else { Event::LastReply };",
        after: "        if self.input_end == InputEnd::Read {
            return Outcome::Close(End::Finished);
        }
        let event = Event::LastReply;",
    },
    Bug {
        name: "end-before-last-bytes",
        what: "Input that arrives with the end is dropped",
        file: "connection/serve.rs",
        before: "            Received::Nothing | Received::End => 0,
            Received::Bytes(len) => len,",
        after: "            Received::Nothing | Received::End => 0,
            Received::Bytes(_) if self.input_end == InputEnd::Reported => 0,
            Received::Bytes(len) => len,",
    },
    Bug {
        name: "reply-reset",
        what: "A connection closes with input unread, which destroys the last reply",
        file: "connection/close.rs",
        before: "self.input_end != InputEnd::Read && !self.ignores_input",
        after: "self.left_over.has_input() && !self.ignores_input",
    },
    Bug {
        name: "cut-looks-whole",
        what: "Output that is cut off ends with a FIN, as if it were complete",
        file: "connection/close.rs",
        before: "        self.leads(from, event, trace);
        if self.left_over.has_output() {
            self.stream.reset_on_close();
        }
    }",
        after: "        self.leads(from, event, trace);
    }",
    },
    Bug {
        name: "close-before-drain",
        what: "The last reply is dropped if it has to wait for room",
        file: "connection/close.rs",
        before: "            Stage::Draining if self.left_over.has_output() || linger => {",
        after: "            Stage::Draining if linger && !self.left_over.has_output() => {",
    },
    Bug {
        name: "no-half-close",
        what: "A lingering connection doesn't end its own side, so the peer waits",
        file: "connection/close.rs",
        before: "if self.output_end != OutputEnd::Sent && self.stream.end_output().is_err() {",
        after: "if self.output_end == OutputEnd::Wanted && self.stream.end_output().is_err() {",
    },
    Bug {
        name: "drain-over-budget",
        what: "A draining connection with more to send than its share waits for room that's there",
        file: "connection/close.rs",
        before: "            return match self.can_send() {
                true => Outcome::Yield,",
        after: "            return match false {
                true => Outcome::Yield,",
    },
    // Accepting.
    Bug {
        name: "emfile-spins",
        what: "Without descriptors, accepting goes on without a pause",
        file: "reactor/accept.rs",
        before: "                    self.accepting.why = why;
                    self.accepting.pause(&mut self.selector, Some(self.now + RETRY_AFTER));
                    false",
        after: "                    self.accepting.why = why;
                    false",
    },
    Bug {
        name: "accept-not-resumed",
        what: "Accepting isn't resumed after a pause unless a connection closes",
        file: "reactor/accept.rs",
        before: "        if self.accepting.paused.is_some_and(|retry_at| self.now >= retry_at) {",
        after: "        if self.accepting.paused.is_some_and(|retry_at| self.now >= retry_at) && self.slots.len() == 0 {",
    },
    Bug {
        name: "resume-not-watched",
        what: "After a pause, connections that wait already are accepted, and none that comes later",
        file: "reactor/accept.rs",
        before: "            listening.ready = true;
            if let Err(error) = selector.watch_listener",
        after: "            listening.ready = true;
            if listening.ready {
                continue;
            }
            if let Err(error) = selector.watch_listener",
    },
    Bug {
        name: "close-pauses-accepting",
        what: "Each connection that closes pauses accepting for a while",
        file: "reactor/accept.rs",
        before: "        if self.paused.is_some() {
            self.resume(selector, now, trace);
        }",
        after: "        if self.paused.is_some() {
            self.resume(selector, now, trace);
        } else {
            self.pause(selector, Some(now + RETRY_AFTER));
        }",
    },
    Bug {
        name: "accept-one-an-edge",
        what: "One connection is accepted for each edge of the listener",
        file: "reactor/accept.rs",
        before: "                    None => self.one_too_many = Some((stream, addr, listener)),
                }
                true",
        after: "                    None => self.one_too_many = Some((stream, addr, listener)),
                }
                self.accepting.listeners[index].ready = false;
                false",
    },
    Bug {
        name: "aborted-ends-accepting",
        what: "A connection that was aborted in the backlog ends the accepting of those after it",
        file: "reactor/accept.rs",
        before: "                    self.trace.own().emit_own(Event::Missed { why: &error });
                    true",
        after: "                    self.trace.own().emit_own(Event::Missed { why: &error });
                    listening.ready = false;
                    false",
    },
    Bug {
        name: "limit-off-by-one",
        what: "One connection more than the limit is served",
        file: "reactor/accept.rs",
        before: "Places::new(config.connections_max)",
        after: "Places::new(config.connections_max + 1)",
    },
    Bug {
        name: "limit-counted-twice",
        what: "A connection takes two places",
        file: "reactor/accept.rs",
        before: "        self.trace.of(number).emit(&peer, Event::Accepted);",
        after: "        self.trace.of(number).emit(&peer, Event::Accepted);
        let second = self.accepting.places.take();
        std::mem::forget(second);",
    },
    Bug {
        name: "refused-place-leaks",
        what: "A refused connection's place is not given back",
        file: "reactor/accept.rs",
        before: "        let place = self.accepting.refusals.take();
        let Some(id)",
        after: "        std::mem::forget(self.accepting.refusals.take());
        let place = None;
        let Some(id)",
    },
    Bug {
        name: "refused-one-leaks",
        what: "A refused connection is never closed if its peer reads the error and stays",
        file: "connection/close.rs",
        before: "        let until = turn.now + timeout;",
        after: "        let until = match end {
            End::Refused => turn.now + std::time::Duration::from_secs(86_400),
            _ => turn.now + timeout,
        };",
    },
    Bug {
        name: "place-leaks",
        what: "A closed connection's place is not given back",
        file: "reactor.rs",
        before: "        drop(slot.place);",
        after: "        std::mem::forget(slot.place);",
    },
    Bug {
        name: "one-too-many-dropped",
        what: "A connection over the limit is closed without a word",
        file: "reactor/accept.rs",
        before: "                None => self.refuse_one_too_many(stream, addr, listener),",
        after: "                None => drop((stream, addr)),",
    },
    // Stopping.
    Bug {
        name: "drain-not-ending",
        what: "A stop waits for ever for work in progress",
        file: "reactor.rs",
        before: "        if self.stopping.is_some_and(|until| self.now >= until) {",
        after: "        if self.stopping.is_some_and(|until| self.now >= until) && self.slots.len() == 0 {",
    },
    Bug {
        name: "stop-forgets-the-idle",
        what: "A stop doesn't run idle connections, which stay open",
        file: "reactor.rs",
        before: "            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            slot.enqueue(id, &mut self.runnable);
        }",
        after: "            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            if slot.connection.has_output() {
                slot.enqueue(id, &mut self.runnable);
            }
        }",
    },
    Bug {
        name: "stop-drops-begun",
        what: "A stop closes connections with a message begun",
        file: "connection/serve.rs",
        before: "            if is_idle && !has_work && !self.left_over.has_input() {",
        after: "            if !has_work {",
    },
    Bug {
        name: "stop-drops-arrived",
        what: "A stop closes connections whose requests have arrived and aren't read yet",
        file: "reactor.rs",
        before: "            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            slot.enqueue(id, &mut self.runnable);
        }",
        after: "            slot.enqueue(id, &mut self.runnable);
        }",
    },
    Bug {
        name: "stop-cuts-early",
        what: "A stop cuts off work in progress at half of the drain timeout",
        file: "reactor.rs",
        before: "        self.stopping = Some(self.now + timeout);",
        after: "        self.stopping = Some(self.now + timeout / 2);",
    },
    Bug {
        name: "second-stop-renews",
        what: "A second stop begins the drain timeout anew",
        file: "reactor.rs",
        before: "        if self.stopping.is_none() && self.handle.is_stopped() && self.stop_time() <= self.now {",
        after: "        if self.handle.stop_flag().swap(false, std::sync::atomic::Ordering::AcqRel) {",
    },
    Bug {
        name: "accepts-while-stopping",
        what: "Connections are accepted after a stop",
        file: "reactor.rs",
        before: "        self.accepting.end(&mut self.selector);
        self.one_too_many = None;",
        after: "        self.one_too_many = None;",
    },
    // Messages.
    Bug {
        name: "content-cut",
        what: "Content over 65,535 bytes is cut",
        file: "message/reader.rs",
        before: "            Self::Content { header } => match input.take(header.content_len) {",
        after: "            Self::Content { header } => match input.take(header.content_len.min(usize::from(u16::MAX))) {",
    },
    Bug {
        name: "protoheader-swapped",
        what: "The protoheader is read as little-endian",
        file: "message/reader.rs",
        before: "u16::from_be_bytes([bytes[0], bytes[1]])",
        after: "u16::from_le_bytes([bytes[0], bytes[1]])",
    },
    Bug {
        name: "header-limit-off-by-one",
        what: "A header as long as the limit is refused",
        file: "message/reader.rs",
        before: "len if len > max => Err(ProtocolError::HeaderTooLong { len, max }),",
        after: "len if len >= max => Err(ProtocolError::HeaderTooLong { len, max }),",
    },
    Bug {
        name: "content-limit-off-by-one",
        what: "Content as long as the limit is refused",
        file: "message/parse.rs",
        before: "                Ok(len) if len <= limits.content_len_max => Ok(len),",
        after: "                Ok(len) if len < limits.content_len_max => Ok(len),",
    },
    Bug {
        name: "state-lost",
        what: "A message that comes in pieces starts again after its protoheader",
        file: "message/reader.rs",
        before: "                    self.state = Some(Box::new(Ok(state)));
                    return Ok(None);",
        after: "                    if !matches!(state, ReadState::Jsonheader { .. }) {
                        self.state = Some(Box::new(Ok(state)));
                    }
                    return Ok(None);",
    },
    Bug {
        name: "phase-after-error",
        what: "After an error, the session goes on with the next message",
        file: "protocols/app/server.rs",
        before: "        self.answer_requests(io, now).map_err(|error| {
            if error.deserves_reply() {
                write_error(io.output().tail(), self.shared.byteorder, &error);
            }
            error.into()
        })",
        after: "        self.answer_requests(io, now).or_else(|error| {
            if !error.deserves_reply() {
                return Err(error.into());
            }
            write_error(io.output().tail(), self.shared.byteorder, &error);
            self.reader = MessageReader::default();
            Ok(Progress::NeedInput)
        })",
    },
    Bug {
        name: "pipelined-dropped",
        what: "Requests that arrive together with one that ends the call are dropped",
        file: "connection/transfer.rs",
        before: "            self.left_over.keep_input(&scratch.input[used..received]);",
        after: "            if used == 0 {
                self.left_over.keep_input(&scratch.input[used..received]);
            }",
    },
    Bug {
        name: "high-water-off-by-one",
        what: "At the high-water mark exactly, the session is called though nothing may be added",
        file: "connection/serve.rs",
        before: "self.left_over.output_len() >= config.output_high_water.max(1)",
        after: "self.left_over.output_len() >= config.output_high_water",
    },
    Bug {
        name: "mid-message-is-orderly",
        what: "A peer that closes in the middle of a message gets no error",
        file: "protocols/app/server.rs",
        before: "                _ => Err(AppError::PeerClosedMidMessage(position)),",
        after: "                _ => Ok(Progress::Finished),",
    },
    Bug {
        name: "keep-alive-ignored",
        what: "The connection closes after a request that asked to keep it",
        file: "protocols/app/server.rs",
        before: "            if !message.header.keep_alive {",
        after: "            if !message.header.keep_alive || message.header.content_len == 0 {",
    },
    Bug {
        name: "sum-wraps",
        what: "A sum of integers wraps at 32 bits",
        file: "protocols/app/server.rs",
        before: "i64::from(order.u32(bytes).cast_signed())).sum();",
        after: "order.u32(bytes).cast_signed()).fold(0, i32::wrapping_add).into();",
    },
    Bug {
        name: "echo-drops-at-end",
        what: "The echo ends without echoing a delayed chunk if its peer has ended",
        file: "protocols/echo/server.rs",
        before: "        if !io.input().is_empty() {
            if self.is_early(now) {",
        after: "        if !io.input().is_empty() && !io.hung_up() {
            if self.is_early(now) {",
    },
    // A connection with a thread to itself.
    Bug {
        name: "lone-deadline-missed",
        what: "Under a blocking model, a session isn't called at its deadline unless something else happens",
        file: "connection/alone.rs",
        before: "if deadline.is_some_and(|deadline| now >= deadline) {",
        after: "if found.readiness.is_some() && deadline.is_some_and(|deadline| now >= deadline) {",
    },
    Bug {
        name: "lone-reads-on",
        what: "Under a blocking model, a connection waits to read whatever it needs",
        file: "connection/alone.rs",
        before: "            Outcome::Wait { interest, deadline } => {
",
        after: "            Outcome::Wait { deadline, .. } => {
                let interest = Interest::READ;
",
    },
    // Memory.
    Bug {
        name: "charge-not-given-back",
        what: "The memory of a closed connection stays charged",
        file: "connection/memory.rs",
        before: "            account.used.fetch_sub(self.bytes, Relaxed);
            account.users",
        after: "            account.users",
    },
    Bug {
        name: "idle-keeps-buffers",
        what: "An idle connection keeps its buffers",
        file: "connection/left_over.rs",
        before: "            if kept.input.is_empty() {
                self.0 = None;
            }",
        after: "",
    },
    Bug {
        name: "used-bytes-kept",
        what: "Used bytes of a rest stay in memory until all of it is used",
        file: "buffer.rs",
        before: "        } else if self.used >= Self::COMPACT_LEN && self.used >= self.len() {
            *self = Rest { bytes: self.as_slice().to_vec(), used: 0 };
        }",
        after: "        }",
    },
    // Files.
    Bug {
        name: "file-one-byte-short",
        what: "A file over 32 KiB is sent one byte short",
        file: "buffer/outgoing.rs",
        before: "FileRange { file, offset, left: len }",
        after: "FileRange { file, offset, left: len - u64::from(len > 32 << 10) }",
    },
    Bug {
        name: "file-offset-stays",
        what: "After a short write of a file, the next begins at the same offset",
        file: "buffer/outgoing.rs",
        before: "range.offset += len as u64;",
        after: "range.offset += 0;",
    },
    Bug {
        name: "file-from-its-beginning",
        what: "A file is sent from its beginning, whatever offset is requested",
        file: "protocols/getfile.rs",
        before: "push_file(file, offset, left);",
        after: "push_file(file, 0, left);",
    },
    Bug {
        name: "shrunken-file-waits",
        what: "A file that has become shorter counts as a full socket",
        file: "connection/transfer.rs",
        before: "Some(0) => Err(FileRange::cut_short()),",
        after: "Some(0) => {
            *writable = false;
            Ok(0)
        }",
    },
    Bug {
        name: "shrunken-file-is-whole",
        what: "A file that has become shorter counts as sent",
        file: "connection/transfer.rs",
        before: "Some(0) => Err(FileRange::cut_short()),",
        after: "Some(0) => Ok(len),",
    },
    Bug {
        name: "file-error-is-whole",
        what: "A file that can't be read counts as sent",
        file: "connection/transfer.rs",
        before: "match until_answered(|| stream.send_file(range.file(), range.offset(), len))? {",
        after: "match until_answered(|| stream.send_file(range.file(), range.offset(), len)).or(Ok::<_, io::Error>(Some(len)))? {",
    },
    Bug {
        name: "status-cut-before-file",
        what: "If the status line doesn't fit into the socket's buffer, its rest is dropped",
        file: "buffer/outgoing.rs",
        before: "let mut rest = Outgoing { bytes: Rest::from(left), chunks: mem::take(&mut self.chunks) };",
        after: "let is_file = matches!(self.chunks.front(), Some(Chunk::File(_)));
        let left = if is_file { Vec::new() } else { left };
        let mut rest = Outgoing { bytes: Rest::from(left), chunks: mem::take(&mut self.chunks) };",
    },
    Bug {
        name: "file-stays-open",
        what: "A file that has been sent stays open",
        file: "buffer/outgoing.rs",
        before: "            if let Some(Chunk::Bytes(bytes)) = self.chunks.pop_front() {",
        after: "            let popped = self.chunks.pop_front();
            if let Some(Chunk::File(range)) = popped {
                mem::forget(range);
                continue;
            }
            if let Some(Chunk::Bytes(bytes)) = popped {",
    },
    Bug {
        name: "carriage-return-is-kept",
        what: "A line's carriage return is always part of the name",
        file: "protocols/getfile.rs",
        before: "if error.kind() == io::ErrorKind::NotFound",
        after: "if error.kind() == io::ErrorKind::NotADirectory",
    },
    // Clients.
    Bug {
        name: "only-first-address",
        what: "A client whose first address fails doesn't try the others",
        file: "reactor/opening.rs",
        before: "let Some(addr) = others.pop_front() else { return self.close(id, end) };",
        after: "others.clear();
        let Some(addr) = others.pop_front() else { return self.close(id, end) };",
    },
    Bug {
        name: "address-skipped",
        what: "After an address that is unreachable at once, the next is skipped",
        file: "reactor/opening.rs",
        before: "                    peer.addr = next;",
        after: "                    peer.addr = others.pop_front().unwrap_or(next);",
    },
    Bug {
        name: "failed-address-leaks",
        what: "The stream of an address that has failed is not closed",
        file: "reactor/opening.rs",
        before: "self.selector.close(connection.stream, token);",
        after: "let _ = token;
        std::mem::forget(connection.stream);",
    },
    Bug {
        name: "connect-without-timeout",
        what: "A connect to an address that doesn't answer waits for ever",
        file: "connection.rs",
        before: "ConnectionState::Connecting(connecting) => Some(connecting.until),",
        after: "ConnectionState::Connecting(_) => None,",
    },
    Bug {
        name: "opening-is-open",
        what: "A spurious event makes a connection that is still opening count as open",
        file: "connection.rs",
        before: "                Ok(true) => {
                    self.leads(Stage::Connecting, Event::Connected, turn.trace);",
        after: "                Ok(_) => {
                    self.leads(Stage::Connecting, Event::Connected, turn.trace);",
    },
    Bug {
        name: "client-does-not-read",
        what: "A client doesn't read while its output is full, as its server may not either",
        file: "connection/interest.rs",
        before: "Progress::NeedEither => !self.is_full || matches!(self.role, Role::Opened(_)),",
        after: "Progress::NeedEither => !self.is_full,",
    },
    Bug {
        name: "reply-renews-nothing",
        what: "A reply doesn't renew a client's timeout",
        file: "protocols/app/replies.rs",
        before: "Escaped(message.content), io.peer());
            self.restart();",
        after: "Escaped(message.content), io.peer());",
    },
    Bug {
        name: "client-never-times-out",
        what: "A client that waits for a reply has no deadline",
        file: "protocols/app/client.rs",
        before: "        self.awaited.deadline()",
        after: "        None",
    },
    Bug {
        name: "last-request-keeps",
        what: "A client asks to keep the connection even after its last request",
        file: "protocols/app/client.rs",
        before: "let keep_alive = self.sent + 1 < self.requests.len();",
        after: "let keep_alive = self.sent < self.requests.len();",
    },
    Bug {
        name: "echo-cut-unnoticed",
        what: "An echo that is cut off counts as complete",
        file: "protocols/echo/client.rs",
        before: "        if got == want {",
        after: "        if got == want || io.input_ended() {",
    },
];
