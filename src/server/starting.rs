//! The start of a server: addresses bound, and reactors made for what was set up.

use super::Setup;
use crate::engine::delivery::Delivery;
use crate::engine::events::{BatchWriter, EventQueue};
use crate::engine::link::Link;
use crate::engine::reactor::Reactor;
use crate::engine::running::{Crew, Running};
use crate::engine::site::Site;
use crate::engine::turn::Host;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::protocol::Role;
use crate::sys::socket::{Access, Address, Listener};
use crate::sys::users::{group_id, user_id};
use std::io;
use std::sync::Arc;

/// Binds, and starts the reactors. Returns what runs, and the port of each address.
pub(super) fn start(setup: &Setup, host: Host) -> Result<(Running, Vec<u16>)> {
    let mut options = setup.options.clone();
    options.settle()?;
    let options = Arc::new(options);
    let reactors = options.reactors as usize;
    let mut site = Site::new(&options, setup.logger.clone(), setup.handler.is_none())?;
    let (per_reactor, ports) = bind(setup, reactors)?;
    let system = |what: &'static str| move |error: std::io::Error| Error::system(what, &error);
    let events = match setup.handler {
        Some(_) => None,
        None => Some(Arc::new(EventQueue::new(options.max_event_bytes).map_err(system("eventfd"))?)),
    };
    let census = Arc::default();
    for index in 0..reactors {
        let link = Link::new(Role::Server, index, &options, &census, events.as_ref()).map_err(system("eventfd"))?;
        site.links.push(Arc::new(link));
    }
    let site = Arc::new(site);
    let mut made = Vec::new();
    for (link, listeners) in site.links.iter().zip(per_reactor) {
        let delivery = match (&setup.handler, &events) {
            (Some(handler), _) => Delivery::Callbacks(Arc::clone(handler)),
            (None, Some(events)) => Delivery::Batches(BatchWriter::new(Arc::clone(events), Arc::clone(&link.progress))),
            (None, None) => unreachable!("one of the two is set above"),
        };
        let reactor = Reactor::new(Arc::clone(link), Arc::clone(&site), listeners, delivery);
        made.push(reactor.map_err(system("epoll"))?);
    }
    Ok((Running::start(Crew { name: "wspush", reactors: made, events, host })?, ports))
}

/// The listeners of each reactor, and the port of each address.
type Bound = (Vec<Vec<Arc<Listener>>>, Vec<u16>);

/// Binds every address for every reactor. TCP listeners are one per reactor, and the kernel spreads connections over
/// them; a Unix socket and an inherited one have one listener, which all reactors accept from.
fn bind(setup: &Setup, reactors: usize) -> Result<Bound> {
    let mut listeners: Vec<Vec<Arc<Listener>>> = vec![Vec::new(); reactors];
    let mut ports = Vec::new();
    let access = access(&setup.options)?;
    for candidates in &setup.addresses {
        let first = Arc::new(bind_first(candidates, &setup.options, access)?);
        let address = first.address().clone();
        ports.push(match &address {
            Address::Tcp(address) => address.port(),
            Address::Unix(_) | Address::Descriptor(_) => 0,
        });
        for (index, list) in listeners.iter_mut().enumerate() {
            list.push(match &address {
                Address::Tcp(_) if index > 0 && !first.is_inherited() => {
                    Arc::new(bind_one(&address, &setup.options, access)?)
                }
                _ => Arc::clone(&first),
            });
        }
    }
    Ok((listeners, ports))
}

/// A name may stand for several addresses: the first that can be bound is taken.
fn bind_first(candidates: &[Address], options: &Options, access: Access) -> Result<Listener> {
    let mut result = Err(Error::new(Status::WS_ERR_ADDRESS, "listen: no address"));
    for address in candidates {
        result = bind_one(address, options, access);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn bind_one(address: &Address, options: &Options, access: Access) -> Result<Listener> {
    Listener::bind(address, options.backlog as i32, options.reuse_port, access)
        .map_err(|error| Error::system(&format!("listen {address}"), &error))
}

/// Who may connect to Unix sockets.
fn access(options: &Options) -> Result<Access> {
    Ok(Access {
        mode: options.unix_permissions(),
        owner: account("unix_owner", &options.unix_owner, user_id)?,
        group: account("unix_group", &options.unix_group, group_id)?,
    })
}

/// The number of the user or group that an option names, if it names one.
fn account(option: &str, text: &str, look_up: fn(&str) -> io::Result<Option<u32>>) -> Result<Option<u32>> {
    // The highest number stands for none.
    match text.parse() {
        _ if text.is_empty() => return Ok(None),
        Ok(number) if number != u32::MAX => return Ok(Some(number)),
        _ => {}
    }
    let what = format!("option {option} = \"{text}\"");
    match look_up(text).map_err(|error| Error::system(&what, &error))? {
        None => Err(Error::new(Status::WS_ERR_VALUE, format!("{what}: there is none of this name"))),
        found => Ok(found),
    }
}
