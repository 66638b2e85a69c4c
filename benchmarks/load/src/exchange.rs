//! What a charge point and its server say to each other: handshake, CALLs, answers.
//!
//! A charge point has at most one CALL out. When its answer is judged right, `answered` goes on. Nothing is allocated on
//! that way.

use crate::answer::{Expect, Judgement, judge, judge_unasked};
use crate::charge_point::{Outstanding, Purpose, Stage};
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::frame::{self, Received};
use crate::handshake::{self, Response};
use crate::scenario::Kind;
use crate::template::{Filling, write_id};

impl Fleet {
    /// Take bytes that were read.
    pub(crate) fn take(&mut self, index: usize, bytes: &[u8]) {
        let mut kept = std::mem::take(&mut self.charge_points[index].received);
        if kept.is_empty() {
            let used = self.take_all(index, bytes);
            kept.extend_from_slice(&bytes[used..]);
        } else {
            kept.extend_from_slice(bytes);
            let used = self.take_all(index, &kept);
            kept.drain(..used);
        }
        if self.charge_points[index].socket.is_some() {
            self.charge_points[index].received = kept;
        }
    }

    /// Take all whole frames; returns how many bytes they had.
    fn take_all(&mut self, index: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.charge_points[index].stage == Stage::Upgrading {
            match handshake::judge(bytes, self.options.expect == Expect::Result) {
                Response::Incomplete => return 0,
                Response::Refused(text) => {
                    self.lose(index, Failure::Refused, &text);
                    return bytes.len();
                }
                Response::Opened(length) => used = length,
            }
            self.charge_points[index].stage = Stage::Up;
            let since_ns = self.now_ns();
            self.send_call(index, Kind::BootNotification, Purpose::Boot, since_ns);
        }
        while self.charge_points[index].socket.is_some() {
            match frame::read(&bytes[used..]) {
                Received::Incomplete => return used,
                Received::Frame { head, payload, length } => {
                    self.on_frame(index, head, payload);
                    used += length;
                }
                Received::Broken(text) => self.lose(index, Failure::Wrong, text),
            }
        }
        bytes.len()
    }

    fn on_frame(&mut self, index: usize, head: u8, payload: &[u8]) {
        match head {
            frame::TEXT => self.on_text(index, payload),
            frame::PING => self.send(index, frame::PONG, payload),
            frame::PONG => {}
            frame::CLOSE => {
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                self.lose(index, Failure::Closed, &reason);
            }
            // A central system has no reason to fragment its short answers.
            _ => self.lose(index, Failure::Wrong, "a frame that is not a whole text message"),
        }
    }

    fn on_text(&mut self, index: usize, text: &[u8]) {
        let waiting = self.charge_points[index].outstanding;
        let judgement = match waiting {
            None => judge_unasked(text),
            Some(waiting) if self.options.expect == Expect::Echo => {
                self.write_text(index, waiting.kind, waiting.number);
                if self.text == text { Judgement::Answer { transaction_id: None } } else { Judgement::Wrong }
            }
            Some(waiting) => {
                self.text.clear();
                write_id(self.options.run, waiting.number, &mut self.text);
                judge(waiting.kind, &self.text, text)
            }
        };
        match (judgement, waiting) {
            (Judgement::Answer { transaction_id }, Some(waiting)) => {
                let charge_point = &mut self.charge_points[index];
                charge_point.outstanding = None;
                match waiting.kind {
                    Kind::StartTransaction => {
                        charge_point.transaction_id = transaction_id.unwrap_or_default();
                    }
                    Kind::StopTransaction => charge_point.transaction_id = 0,
                    _ => {}
                }
                self.answered(index, waiting);
            }
            (Judgement::CallError, Some(waiting)) => {
                self.failures.add(Failure::CallError, &String::from_utf8_lossy(text));
                self.charge_points[index].outstanding = None;
                self.answered(index, waiting);
            }
            (Judgement::Call(id), _) => {
                self.commands += 1;
                self.send(index, frame::TEXT, format!(r#"[3,{id},{{"status":"Accepted"}}]"#).as_bytes());
            }
            _ => self.lose(index, Failure::Wrong, &String::from_utf8_lossy(text)),
        }
    }

    /// Go on after an answer.
    fn answered(&mut self, index: usize, answered: Outstanding) {
        match answered.purpose {
            Purpose::Boot => self.opened(index),
            Purpose::Prepare | Purpose::Load => self.load_answered(index, answered),
        }
    }

    /// Send a CALL. `since_ns`: the start of its latency.
    pub(crate) fn send_call(&mut self, index: usize, kind: Kind, purpose: Purpose, since_ns: u64) {
        let charge_point = &mut self.charge_points[index];
        charge_point.number += 1;
        let number = charge_point.number;
        charge_point.outstanding = Some(Outstanding { kind, number, since_ns, purpose });
        self.write_text(index, kind, number);
        let text = std::mem::take(&mut self.text);
        self.send(index, frame::TEXT, &text);
        self.text = text;
    }

    fn write_text(&mut self, index: usize, kind: Kind, number: u64) {
        let charge_point = &self.charge_points[index];
        let filling = Filling {
            run: self.options.run,
            number,
            start_ms: self.options.start_ms,
            transaction_id: charge_point.transaction_id,
            id_tag: &charge_point.id_tag,
        };
        self.templates.of(kind).write(&filling, &mut self.text);
    }

    fn send(&mut self, index: usize, head: u8, payload: &[u8]) {
        // xorshift: a key that differs from frame to frame. Here it need not be unpredictable.
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 17;
        self.mask ^= self.mask << 5;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        frame::write(head, payload, self.mask.to_ne_bytes(), &mut bytes);
        self.write(index, &bytes);
        self.bytes = bytes;
    }
}
