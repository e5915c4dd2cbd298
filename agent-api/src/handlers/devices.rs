//! The phones of an agent: which are registered, which is called first, and ending one.

use std::net::{IpAddr, SocketAddr};

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::extract::{Json, Part};
use crate::identity::Who;
use crate::port::{Device, Devices, Registration};
use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::state::State;

/// The phones of an agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceList {
    /// In the order in which they are called.
    pub items: Vec<DeviceBody>,
    /// The instance of the one that is to be called first, whether it is registered or not.
    pub preferred_instance: Option<String>,
    /// Whether that was chosen here; else the configuration says so.
    pub chosen: bool,
    /// The lines that are up or ring, each as the value of a Replaces with which another phone of the agent takes it over
    /// (RFC 3891). For the agent alone; to others there are none.
    pub lines: Vec<String>,
}

/// A phone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceBody {
    /// Names it here as long as it keeps its instance, or its contact where it has none.
    pub id: String,
    /// How it names itself (`+sip.instance`); without one it can't be preferred.
    pub instance: Option<String>,
    /// Whether it is the one to be called first.
    pub preferred: bool,
    /// The ways on which it can be called.
    pub registrations: Vec<RegistrationBody>,
}

/// One registration of a phone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RegistrationBody {
    /// Which flow of the device (RFC 5626).
    pub reg_id: Option<u32>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Address and port; only the front of it for those who may not see numbers, but for the agent's own.
    pub address: String,
    /// Whole seconds until it ends.
    pub expires_in_s: u64,
    /// False where nothing came back when it was called last: it is called after the others until it registers again.
    pub reachable: bool,
    /// It came with a phone token and ends with it.
    pub with_token: bool,
}

/// Which phone is called first.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceWish {
    /// Its id; `null`: whichever the configuration names.
    #[schema(required = true)]
    pub device: Option<String>,
}

/// The phones of an agent.
#[utoipa::path(
    get, path = "/api/v1/agents/{user}/devices", tag = "agents",
    params(("user" = String, Path)),
    responses((status = 200, description = "Those that are registered now.", body = DeviceList)),
)]
pub(crate) async fn list(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<Json<DeviceList>, Problem> {
    who.need_self_or(Right::Watch, &user)?;
    let found = state.port.devices(user.clone()).await?;
    Ok(Json(shown(found, &who, &user)))
}

/// Have a phone called first.
///
/// Instead of the one that the configuration names, from now on and after a restart too.
#[utoipa::path(
    put, path = "/api/v1/agents/{user}/devices/preferred", tag = "agents",
    params(("user" = String, Path)),
    request_body = DeviceWish,
    responses(
        (status = 200, description = "The phones as they are called now.", body = DeviceList),
        (status = 404, description = "No such phone is registered.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The phone has no instance by which it would be known again.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn prefer(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
    Json(wish): Json<DeviceWish>,
) -> Result<Json<DeviceList>, Problem> {
    who.need_self_or(Right::ActForAgents, &user)?;
    let found = state.port.devices(user.clone()).await?;
    let instance = match &wish.device {
        None => None,
        Some(id) => {
            let instance = named(&found, id)?.instance.clone();
            let detail = "the phone has no +sip.instance, so it would not be known again after it moves";
            Some(instance.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "no-instance", detail))?)
        }
    };
    state.port.prefer_device(user.clone(), instance).await?;
    Ok(Json(shown(state.port.devices(user.clone()).await?, &who, &user)))
}

/// End a phone's registration.
///
/// All ways on which it can be called are gone at once. A phone that knows its password may register again; one with a token may too,
/// as long as the token holds: end the sign-ins of the agent for that.
#[utoipa::path(
    delete, path = "/api/v1/agents/{user}/devices/{device}", tag = "agents",
    params(("user" = String, Path), ("device" = String, Path)),
    responses(
        (status = 204, description = "It is not registered any more."),
        (status = 404, description = "No such phone is registered.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn end(
    AxumState(state): AxumState<State>,
    who: Who,
    Part((user, id)): Part<(String, String)>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &user)?;
    let found = state.port.devices(user.clone()).await?;
    let key = named(&found, &id)?.key.clone();
    state.port.end_device(user, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn named<'d>(found: &'d Devices, id: &str) -> Result<&'d Device, Problem> {
    let device = found.devices.iter().find(|device| id_of(&device.key) == id);
    device.ok_or_else(|| Problem::not_found("no such phone is registered"))
}

/// Tells nothing of where a phone is.
fn id_of(key: &str) -> String {
    let digest = Sha256::new().chain_update(b"device").chain_update(key).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether somebody may see where phones are: agents see their own devices only.
fn sees_addresses(who: &Who) -> bool {
    who.may(Right::SeeNumbers) || who.person.role == Role::Agent
}

/// The devices of `user` as `who` may see them.
fn shown(found: Devices, who: &Who, user: &str) -> DeviceList {
    let in_full = sees_addresses(who);
    let own = who.person.role == Role::Agent && who.person.user == user;
    let registration = |it: Registration| RegistrationBody {
        reg_id: it.reg_id,
        transport: it.transport,
        address: if in_full { it.address.to_string() } else { masked(it.address) },
        expires_in_s: it.expires_in.as_secs(),
        reachable: it.reachable,
        with_token: it.with_token,
    };
    let device = |it: Device| DeviceBody {
        id: id_of(&it.key),
        instance: it.instance,
        preferred: it.preferred,
        registrations: it.registrations.into_iter().map(registration).collect(),
    };
    DeviceList {
        items: found.devices.into_iter().map(device).collect(),
        preferred_instance: found.preferred,
        chosen: found.chosen,
        lines: if own { found.lines } else { Vec::new() },
    }
}

/// Enough to tell an office from a home.
fn masked(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            format!("{first}.{second}.•••")
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            format!("{first:x}:{second:x}:•••")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_in_front_alone() {
        let shown = ["192.0.2.9:5060", "[2001:db8::9]:5060"].map(|text| masked(text.parse().unwrap()));
        assert_eq!(shown, ["192.0.•••", "2001:db8:•••"]);
        assert_eq!((id_of("a").len(), id_of("a") == id_of("a"), id_of("a") == id_of("b")), (16, true, false));
    }
}
