//! Who the client says it is. Whatever stands on a command line can be read by everybody on the machine; a file and the
//! environment cannot.

use super::Error;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::env;

const USER: &str = "WSPUSH_USER";
const TOKEN: &str = "WSPUSH_TOKEN";

/// The value of the header Authorization that the environment says, if it does.
pub fn from_environment() -> Result<Option<String>, Error> {
    let read = |name: &str| match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::from(format!("{name}: it is not UTF-8"))),
    };
    match (read(USER)?, read(TOKEN)?) {
        (Some(_), Some(_)) => Err(format!("{USER} and {TOKEN} both say who it is").into()),
        (Some(user), None) if !user.contains(':') => Err(format!("{USER}: it takes NAME:PASSWORD").into()),
        (Some(user), None) => Ok(Some(basic(&user))),
        (None, Some(token)) => Ok(Some(format!("Bearer {token}"))),
        (None, None) => Ok(None),
    }
}

/// A name and a password in the Basic scheme (RFC 7617 section 2).
pub fn basic(user: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(user))
}
