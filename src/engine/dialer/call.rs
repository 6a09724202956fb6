//! One call: where it stands between being asked for and frames that flow.
//!
//! It moves down its stages: delayed, resolving, queued for a place among those that connect, connecting, talking; only a
//! redirect leads back. Whatever happens, it is told on the dialer's thread, and what follows is either to wait for more, or
//! the end.

use super::connecting::{Race, Standing, Track, Winner, hang_up, in_order};
use super::failures::{Place, name, shown_location};
use super::network::{Network, known};
use super::places::{Places, Seat};
use super::resolver::{Found, Resolver};
use super::talking::{News, Party, Talk};
use super::{CallId, Caller, Connected, Failure, Plan, after};
use crate::engine::request::Request;
use crate::protocol::handshake::negotiation::Response;
use crate::protocol::handshake::{HandshakeError, Negotiation};
use crate::protocol::url::{Scheme, Url};
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::random;
use crate::sys::socket::{Address, Peer, Socket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a call that is connected keeps its place, unless the answer is there before.
const KEPT: Duration = Duration::from_millis(250);

/// How long the body of a refusal is waited for, from its head on.
const BODY_WAIT: Duration = Duration::from_secs(1);

/// What calls work with.
pub struct Desk {
    pub epoll: Epoll,
    pub network: Arc<dyn Network>,
    pub resolver: Resolver,
    /// The places for calls that connect.
    pub places: Rc<Places>,
    /// The time of this round.
    pub now: Instant,
    /// The last token that was given out.
    pub tokens: u64,
}

/// What an event leads to: `Ok(None)` is to wait for more.
pub type Progress = Result<Option<Connected>, Failure>;

/// A call.
pub struct Call {
    pub caller: Arc<dyn Caller>,
    id: CallId,
    plan: Arc<Plan>,
    /// Where it leads now.
    url: Url,
    with_credentials: bool,
    redirects: u32,
    stage: Stage,
}

enum Stage {
    Delayed {
        until: Instant,
    },
    Resolving {
        host: Arc<str>,
        deadline: Instant,
    },
    Queued {
        addresses: Vec<Address>,
        left: Duration,
    },
    Connecting {
        race: Race,
        deadline: Instant,
        seat: Seat,
        /// When it falls silent, unless somebody answers.
        patience: Instant,
    },
    /// A server that has just taken a connection has it in a queue that is not long: the place is kept for a while.
    Talking {
        talk: Box<Talk>,
        seat: Option<(Seat, Instant)>,
    },
}

/// How long to wait before a busy caller is asked again.
const BUSY: Duration = Duration::from_millis(100);

impl Call {
    /// A call that begins at this time.
    pub fn new(id: CallId, until: Instant, plan: Arc<Plan>, caller: Arc<dyn Caller>) -> Self {
        let url = plan.url.clone();
        Self { id, caller, plan, url, with_credentials: true, redirects: 0, stage: Stage::Delayed { until } }
    }

    /// When to look at it again even if nothing happens.
    pub fn alarm(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Delayed { until: time } | Stage::Resolving { deadline: time, .. } => Some(*time),
            Stage::Queued { .. } => None,
            Stage::Connecting { race, deadline, seat, patience } => {
                let patience = seat.is_taken().then_some(*patience);
                race.alarm().into_iter().chain(patience).chain([*deadline]).min()
            }
            Stage::Talking { talk, seat: Some((_, until)) } => Some(talk.deadline.min(*until)),
            Stage::Talking { talk, seat: None } => Some(talk.deadline),
        }
    }

    /// Goes by another plan, before it begins.
    pub fn replan(&mut self, plan: Arc<Plan>) {
        self.url = plan.url.clone();
        self.plan = plan;
    }

    /// Whether it has not begun.
    pub fn is_delayed(&self) -> bool {
        matches!(self.stage, Stage::Delayed { .. })
    }

    /// Whether it waits for a place.
    pub fn is_queued(&self) -> bool {
        matches!(self.stage, Stage::Queued { .. })
    }

    /// Whether it waits for a place, and leads to nothing but addresses at which enough wait for an answer.
    pub fn is_crowded(&self, places: &Places) -> bool {
        let Stage::Queued { addresses, .. } = &self.stage else { return false };
        !addresses.is_empty() && addresses.iter().all(|address| places.is_crowded(address))
    }

    fn place(&self) -> Place<'_> {
        Place { url: &self.url, proxy: self.proxy() }
    }

    /// The proxy that it goes through. None leads to a Unix socket.
    fn proxy(&self) -> Option<&Url> {
        self.plan.proxy.as_ref().filter(|_| self.url.scheme != Scheme::Unix)
    }

    /// Begins when its time has come, or somewhat later if its caller has no use for it now.
    pub fn begin_in_time(&mut self, desk: &mut Desk) -> Progress {
        if self.caller.is_busy() {
            self.stage = Stage::Delayed { until: after(desk.now, BUSY) };
            return Ok(None);
        }
        self.begin(desk)
    }

    /// Begins, or begins anew elsewhere.
    pub fn begin(&mut self, desk: &mut Desk) -> Progress {
        let left = self.plan.connect_timeout;
        match self.url.scheme {
            Scheme::Wss => return Err(self.place().no_tls()),
            Scheme::Unix => {
                let addresses = vec![Address::Unix(self.url.host.clone().into())];
                self.stage = Stage::Queued { addresses, left };
                return Ok(None);
            }
            Scheme::Ws | Scheme::Http => {}
        }
        let Url { host, port, .. } = self.proxy().unwrap_or(&self.url);
        let chosen: Vec<_> = self.plan.resolutions.iter().filter_map(|chosen| chosen.of(host, *port)).collect();
        let known = if chosen.is_empty() { known(host) } else { Some(chosen) };
        self.stage = match known {
            Some(addresses) => Stage::Queued { addresses: in_order(&addresses, *port), left },
            None => {
                let host: Arc<str> = host.as_str().into();
                desk.resolver.ask(&host, self.id);
                Stage::Resolving { host, deadline: after(desk.now, left) }
            }
        };
        Ok(None)
    }

    /// The name that it waited for was looked up.
    pub fn found(&mut self, found: &Found, desk: &Desk) -> Progress {
        let Stage::Resolving { host, deadline } = &self.stage else { return Ok(None) };
        let port = self.proxy().unwrap_or(&self.url).port;
        let addresses = found.as_ref().map_err(|why| self.place().not_found(host, why))?;
        let left = deadline.saturating_duration_since(desk.now);
        self.stage = Stage::Queued { addresses: in_order(addresses, port), left };
        Ok(None)
    }

    /// There is a place for it.
    pub fn connect(&mut self, desk: &mut Desk) -> Progress {
        let Stage::Queued { addresses, left } = &mut self.stage else { return Ok(None) };
        let race = Race::new(std::mem::take(addresses), desk.now);
        let deadline = after(desk.now, *left);
        let (seat, patience) = (Seat::take(&desk.places), after(desk.now, desk.network.patience()));
        self.stage = Stage::Connecting { race, deadline, seat, patience };
        self.race(desk, Race::go_on)
    }

    /// Something has happened to one of its sockets.
    pub fn ready(&mut self, ready: Ready, desk: &mut Desk) -> Progress {
        match &self.stage {
            Stage::Connecting { .. } => self.race(desk, |race, now, track| race.ready(ready, now, track)),
            Stage::Talking { talk, .. } if talk.token == ready.token => self.talk(desk),
            _ => Ok(None),
        }
    }

    /// The time has come that [`Call::alarm`] told.
    pub fn on_alarm(&mut self, desk: &mut Desk) -> Progress {
        let Plan { connect_timeout, handshake_timeout, .. } = *self.plan;
        match &self.stage {
            Stage::Delayed { .. } => self.begin_in_time(desk),
            Stage::Resolving { host, .. } => Err(self.place().lookup_took_too_long(host, connect_timeout)),
            Stage::Queued { .. } => Ok(None),
            Stage::Connecting { deadline, .. } if *deadline <= desk.now => {
                // The connection may be there, if we were held up.
                let progress = self.race(desk, |race, now, track| race.look(now, track))?;
                match &self.stage {
                    Stage::Connecting { race, .. } if progress.is_none() => {
                        Err(self.place().connecting_took_too_long(race, connect_timeout))
                    }
                    _ => Ok(progress),
                }
            }
            Stage::Connecting { .. } => {
                self.fall_silent(desk);
                self.race(desk, Race::go_on)
            }
            Stage::Talking { talk, .. } if talk.deadline <= desk.now && talk.is_refused => self.end_refusal(desk),
            Stage::Talking { talk, .. } if talk.deadline <= desk.now => {
                // And so may the answer.
                let progress = self.talk(desk)?;
                match &self.stage {
                    Stage::Talking { talk, .. } if progress.is_none() && talk.deadline <= desk.now => {
                        Err(self.place().answer_took_too_long(talk, connect_timeout, handshake_timeout))
                    }
                    _ => Ok(progress),
                }
            }
            Stage::Talking { .. } => {
                self.leave_place();
                Ok(None)
            }
        }
    }

    fn race(
        &mut self,
        desk: &mut Desk,
        action: impl FnOnce(&mut Race, Instant, &mut Track<'_>) -> Standing,
    ) -> Progress {
        let Stage::Connecting { race, deadline, .. } = &mut self.stage else { return Ok(None) };
        let deadline = *deadline;
        let id = self.id;
        let last = &mut desk.tokens;
        let mut tokens = || {
            *last = last.wrapping_add(1);
            token(id, *last)
        };
        let mut track = Track { epoll: &desk.epoll, network: &*desk.network, tokens: &mut tokens };
        match action(race, desk.now, &mut track) {
            Standing::Open => Ok(None),
            Standing::Lost => {
                let Stage::Connecting { race, .. } = &self.stage else { return Ok(None) };
                Err(self.place().not_connected(race))
            }
            Standing::Won(winner) => self.begin_talk(winner, deadline, desk),
        }
    }

    fn begin_talk(&mut self, Winner { token, to, socket }: Winner, deadline: Instant, desk: &mut Desk) -> Progress {
        let mut nonce = [0; 16];
        random::fill(&mut nonce);
        let started = Negotiation::start(&self.url, self.proxy(), &self.plan.upgrade, self.with_credentials, &nonce);
        let started = match started {
            Ok(started) => started,
            Err(invalid) => {
                hang_up(socket, &desk.epoll);
                return Err(self.place().not_to_be_sent(&invalid));
            }
        };
        let (with, deadline) = match self.proxy() {
            Some(_) => (Party::Proxy, deadline),
            None => (Party::Server, after(desk.now, self.plan.handshake_timeout)),
        };
        let talk = Talk::new((socket, token, to), started, with, deadline);
        let over = Stage::Delayed { until: desk.now };
        let seat = match std::mem::replace(&mut self.stage, over) {
            Stage::Connecting { seat, .. } if seat.is_taken() => Some((seat, desk.now + KEPT)),
            _ => None,
        };
        self.stage = Stage::Talking { talk: Box::new(talk), seat };
        self.talk(desk)
    }

    /// If nobody has answered for long, others may connect.
    fn fall_silent(&mut self, desk: &Desk) {
        let Stage::Connecting { race, seat, patience, .. } = &mut self.stage else { return };
        if *patience <= desk.now && seat.is_taken() {
            if let Some(address) = race.silent() {
                seat.fall_silent(address);
            }
            // If it may not, it tries again.
            *patience = after(desk.now, desk.network.patience());
        }
    }

    /// Others may connect.
    fn leave_place(&mut self) {
        if let Stage::Talking { seat, .. } = &mut self.stage {
            *seat = None;
        }
    }

    fn talk(&mut self, desk: &mut Desk) -> Progress {
        loop {
            let Stage::Talking { talk, .. } = &mut self.stage else { return Ok(None) };
            let with = talk.with;
            match talk.go_on() {
                News::Nothing => {
                    if talk.is_refused {
                        talk.deadline = talk.deadline.min(*talk.patience.get_or_insert(desk.now + BODY_WAIT));
                    }
                    return Ok(None);
                }
                News::Tunnel => talk.deadline = after(desk.now, self.plan.handshake_timeout),
                News::Open(response) => return Ok(self.end_talk(&response, desk)),
                News::Ended => return Err(self.failed_talk(|place, talk| place.ended(talk))),
                News::Broken(error) => return Err(self.failed_talk(|place, talk| place.broken(talk, &error))),
                News::Refused(error, response) => return self.refused(with, error, response.as_ref(), desk),
            }
        }
    }

    /// What the server says of its refusal is not waited for any longer.
    fn end_refusal(&mut self, desk: &mut Desk) -> Progress {
        let Stage::Talking { talk, .. } = &mut self.stage else { return Ok(None) };
        let with = talk.with;
        match talk.end() {
            Some(News::Refused(error, response)) => self.refused(with, error, response.as_ref(), desk),
            _ => Err(self.failed_talk(|place, talk| place.ended(talk))),
        }
    }

    fn failed_talk(&self, failure: impl FnOnce(Place<'_>, &Talk) -> Failure) -> Failure {
        match &self.stage {
            Stage::Talking { talk, .. } => failure(self.place(), talk),
            _ => Failure::new(crate::error::Status::WS_ERR_PANIC, "a fault inside wspush; please report it"),
        }
    }

    /// Frames flow from here on.
    fn end_talk(&mut self, response: &Response, desk: &Desk) -> Option<Connected> {
        let request = self.told(response)?;
        let over = Stage::Delayed { until: desk.now };
        let Stage::Talking { mut talk, .. } = std::mem::replace(&mut self.stage, over) else { return None };
        desk.epoll.remove(std::os::fd::AsFd::as_fd(&talk.socket));
        let received = talk.take_received();
        Some(Connected { socket: talk.socket, received, request })
    }

    /// The response as hosts see it.
    fn told(&self, response: &Response) -> Option<Arc<Request>> {
        let Stage::Talking { talk, .. } = &self.stage else { return None };
        let remote = match talk.to {
            Address::Tcp(address) => Peer::tcp(address),
            _ => Peer::Unix,
        };
        let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let told = Request::answered(&self.url.target, response.status, headers, remote, Socket::local(&talk.socket));
        let subprotocol = response.subprotocol.as_deref().unwrap_or_default();
        let told = told.with_subprotocol(subprotocol).with_reason(&response.reason);
        Some(Arc::new(told.with_body(response.body.clone())))
    }

    fn refused(
        &mut self,
        with: Party,
        error: HandshakeError,
        response: Option<&Response>,
        desk: &mut Desk,
    ) -> Progress {
        let told = response.and_then(|response| self.told(response));
        if let (HandshakeError::Status(301 | 302 | 303 | 307 | 308), Some(response)) = (error, response) {
            let to = self.redirection(response).map_err(|failure| failure.with_response(told))?;
            self.with_credentials &= to.same_origin(&self.url);
            self.url = to;
            self.redirects += 1;
            self.hang_up(desk);
            return self.begin(desk);
        }
        Err(self.place().refused(with, error, response).with_response(told))
    }

    /// Where a redirection leads, if it is to be followed.
    fn redirection(&self, response: &Response) -> Result<Url, Failure> {
        let place = self.place();
        let mut fields = response.all("location");
        let (Some(location), None) = (fields.next(), fields.next()) else {
            let why = format!("it answered with status {} and without exactly one Location", response.status);
            return Err(place.not_redirected(&why));
        };
        let location = String::from_utf8_lossy(location);
        let most = self.plan.max_redirects;
        if self.redirects >= most {
            let why = match most {
                0 => "redirects are not followed unless max_redirects allows it".to_owned(),
                _ => format!("that is one redirect more than {most} (max_redirects)"),
            };
            return Err(place.not_redirected(&format!("it redirects to {}, and {why}", shown_location(&location))));
        }
        let to = self.url.join(&location);
        let to = to.map_err(|why| {
            place.not_redirected(&format!("it redirects to {}, but {why}", shown_location(&location)))
        })?;
        if to.scheme == Scheme::Wss {
            return Err(place.redirected_to_tls(&to));
        }
        Ok(to)
    }

    /// Gives up what it has.
    pub fn hang_up(&mut self, desk: &mut Desk) {
        let over = Stage::Delayed { until: desk.now };
        match std::mem::replace(&mut self.stage, over) {
            Stage::Resolving { host, .. } => desk.resolver.forget(&host, self.id),
            Stage::Connecting { mut race, .. } => race.hang_up(&desk.epoll),
            Stage::Talking { talk, .. } => hang_up(talk.socket, &desk.epoll),
            Stage::Delayed { .. } | Stage::Queued { .. } => {}
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "call {} to {}", self.id, name(&self.url))
    }
}

/// Bits of a token that tell the sockets of one call apart.
const SOCKETS: u32 = 16;

/// A token for a socket of a call.
pub const fn token(call: CallId, number: u64) -> u64 {
    call << SOCKETS | number & ((1 << SOCKETS) - 1)
}

/// The call that a token is of.
pub const fn call_of(token: u64) -> CallId {
    token >> SOCKETS
}
