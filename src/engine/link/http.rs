//! What other threads do about HTTP requests: answer them, whole or piece by piece, and decide about upgrades.

use super::super::commands::Command;
use super::super::http::Undecided;
use super::super::registry::{ConnId, Phase};
use super::super::request::Request;
use super::super::timers::tick_of;
use super::Link;
use crate::error::{Error, Result, Status};
use crate::protocol::http::ResponseHead;
use crate::sys::clock;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

impl Link {
    /// Answers an HTTP request, be it a plain one or an upgrade that is refused.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if no request of this connection waits for an answer, `WS_ERR_QUEUE_FULL`.
    pub fn respond(&self, conn: ConnId, head: ResponseHead, body: &[u8]) -> Result<()> {
        let body = copied(body)?;
        self.answer(conn, Phase::Shut, Command::Respond { to: conn, head: Box::new(head), body })
    }

    /// Begins to answer an HTTP request piece by piece.
    ///
    /// # Errors
    /// As [`Link::respond`].
    pub fn begin_stream(&self, conn: ConnId, head: ResponseHead) -> Result<()> {
        self.answer(conn, Phase::Claimed, Command::BeginStream(conn, Box::new(head)))?;
        // Not before, or a piece that another thread sends could come first.
        self.registry.change_phase(conn, Phase::Claimed, Phase::Streaming);
        Ok(())
    }

    fn answer(&self, conn: ConnId, next: Phase, command: Command) -> Result<()> {
        // Whoever changes the phase has the answer, and nobody else.
        let claim = |from| self.registry.change_phase(conn, from, next).then_some(from);
        let Some(from) = claim(Phase::Request).or_else(|| claim(Phase::Deciding)) else {
            return Err(self.refusal(conn, self.registry.standing(conn), Phase::Request));
        };
        self.enqueue(command).inspect_err(|_| {
            self.registry.change_phase(conn, next, from);
        })?;
        if from == Phase::Deciding {
            self.forget_decision(conn);
        }
        Ok(())
    }

    /// Sends a piece of an answer.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if no answer is being streamed, `WS_ERR_QUEUE_FULL`.
    pub fn send_piece(&self, conn: ConnId, piece: &[u8]) -> Result<()> {
        let length = piece.len() as u64;
        let piece = copied(piece)?;
        self.registry
            .add_queued_in(Phase::Streaming, conn, length, self.most_queued())
            .map_err(|standing| self.refusal(conn, standing, Phase::Streaming))?;
        self.enqueue(Command::SendPiece(conn, piece)).inspect_err(|_| {
            self.registry.sub_queued(conn, length);
            self.owe_drain(conn);
        })
    }

    /// Ends an answer that came piece by piece.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if no answer is being streamed.
    pub fn end_stream(&self, conn: ConnId) -> Result<()> {
        if !self.registry.change_phase(conn, Phase::Streaming, Phase::Shut) {
            return Err(self.refusal(conn, self.registry.standing(conn), Phase::Streaming));
        }
        self.enqueue(Command::EndStream(conn))
    }

    /// Notes an upgrade that the host is about to be told of.
    pub fn await_decision(&self, conn: ConnId, undecided: Undecided) {
        self.undecided().insert(conn, undecided);
        self.registry.change_phase(conn, Phase::Shut, Phase::Deciding);
    }

    /// Forgets an upgrade that is decided about, or gone.
    pub fn forget_decision(&self, conn: ConnId) {
        self.undecided().remove(&conn);
    }

    fn undecided(&self) -> MutexGuard<'_, HashMap<ConnId, Undecided>> {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts an upgrade. Messages may be pushed from now on.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if no upgrade of this connection waits; `WS_ERR_ARGUMENT` for a subprotocol that was not offered or
    /// headers that cannot be sent, and then it still waits.
    pub fn accept(&self, conn: ConnId, subprotocol: Option<&str>, headers: &str) -> Result<()> {
        let mut all = self.undecided();
        let Some(undecided) = all.get(&conn) else {
            return Err(self.refusal(conn, self.registry.standing(conn), Phase::Deciding));
        };
        let subprotocol = subprotocol.or(undecided.subprotocol.as_deref()).map(str::to_owned);
        let response = undecided
            .upgrade
            .response(subprotocol.as_deref(), headers)
            .map_err(|error| Error::new(Status::WS_ERR_ARGUMENT, format!("accept: {error}")))?;
        if !self.registry.change_phase(conn, Phase::Deciding, Phase::Claimed) {
            return Err(self.refusal(conn, self.registry.standing(conn), Phase::Deciding));
        }
        let request = match &subprotocol {
            Some(subprotocol) => Arc::new(Request::clone(&undecided.request).with_subprotocol(subprotocol)),
            None => Arc::clone(&undecided.request),
        };
        all.remove(&conn);
        drop(all);
        self.facts.put(&self.registry, conn, &request, tick_of(clock::now_ms()));
        self.enqueue(Command::Accept { to: conn, response, request })?;
        // Not before, or what another thread pushes could come first.
        self.registry.change_phase(conn, Phase::Claimed, Phase::Open);
        Ok(())
    }
}

fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::no_memory())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}
