//! Sign-in and sign-out.

use std::time::Instant;

use axum::extract::{FromRequest, Request, State as AxumState};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::extract::{Json, Part};
use crate::identity::{COOKIE, Source, Who};
use crate::password;
use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::session::{Person, new_token, number};
use crate::state::{HASHING_WAIT, State, lock};
use crate::wire::{PersonBody, SignIn, SignedIn};

/// An argon2id hash of random bytes that nobody kept: worked through for names that don't exist.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$k0TWIx5Y9J4mQkJp8J0v3w$\
     7vJ4hQK1m4b0m0q7rC3k3oYyqkUu2m5d6x1w9z8A0bE";

/// Sign in.
///
/// Answers with a token and sets it as a cookie too. Wrong passwords lock the name for that source, longer each time.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", security(()),
    request_body = SignIn,
    responses(
        (status = 201, description = "Signed in.", body = SignedIn),
        (status = 401, description = "Name or password is wrong.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong passwords; `Retry-After` says how long to wait.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open(AxumState(state): AxumState<State>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let source = Source::of(&parts);
    let Json(sign_in) = Json::<SignIn>::from_request(Request::from_parts(parts, body), &state).await?;

    if let Some(wait) = lock(&state.lockout).wait(&sign_in.user, source, Instant::now()) {
        let detail = "too many wrong passwords; wait before the next try";
        let seconds = wait.as_secs().saturating_add(1);
        return Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, "locked", detail, seconds));
    }
    let turn = tokio::time::timeout(HASHING_WAIT, state.hashing.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let detail = "too many people are signing in at once";
        return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, 2));
    };
    let user = state.users.get(&sign_in.user).cloned();
    let checking = user.clone();
    let typed = sign_in.password;
    let right = tokio::task::spawn_blocking(move || {
        let right = password::verify(&typed, checking.as_ref().map(|user| &user.password), DECOY);
        drop(turn);
        right
    });
    let right = right.await.unwrap_or(false);
    let now = Instant::now();
    let Some(user) = user.filter(|_| right) else {
        lock(&state.lockout).failed(&sign_in.user, source, now);
        metrics::counter!(crate::metrics::SIGN_INS_TOTAL, "result" => "refused").increment(1);
        return Err(Problem::unauthorized("name or password is wrong"));
    };
    lock(&state.lockout).succeeded(&sign_in.user, source);
    metrics::counter!(crate::metrics::SIGN_INS_TOTAL, "result" => "granted").increment(1);

    let token = new_token().map_err(|error| {
        tracing::error!(%error, "no random numbers for a session token");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the session could not be opened")
    })?;
    let person = Person { user: user.name.clone(), role: user.role };
    let gone = lock(&state.sessions).open(&token, person, now);
    if let Some((person, session)) = gone {
        end_phones(&state, person, session).await;
    }
    let cookie = cookie(&token, state.options.session_life.as_secs(), state.options.secure_cookie);
    let body = SignedIn {
        token,
        idle_s: state.options.session_idle.as_secs(),
        person: PersonBody { user: user.name, role: user.role },
    };
    Ok((StatusCode::CREATED, with_cookie(&cookie), Json(body)).into_response())
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/api/v1/sessions/current", tag = "sessions",
    responses((status = 200, description = "Whoever asks.", body = PersonBody)),
)]
pub(crate) async fn current(who: Who) -> Json<PersonBody> {
    Json(PersonBody { user: who.person.user, role: who.person.role })
}

/// Sign out.
///
/// What an agent's phone was registered with ends too, where it had a token of this session.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "sessions",
    responses((status = 204, description = "Signed out.")),
)]
pub(crate) async fn close(AxumState(state): AxumState<State>, who: Who) -> Response {
    lock(&state.sessions).close(&who.token);
    let session = number(&who.token);
    end_phones(&state, who.person, session).await;
    let cookie = cookie("", 0, state.options.secure_cookie);
    (StatusCode::NO_CONTENT, with_cookie(&cookie)).into_response()
}

/// End all sign-ins of an agent.
///
/// For someone who is not to work any more: every session ends at once, and with it the phone tokens and what was registered with them.
/// Whoever knows the password may sign in again; taking it away is a matter of the configuration.
#[utoipa::path(
    delete, path = "/api/v1/agents/{user}/sessions", tag = "agents",
    params(("user" = String, Path)),
    responses((status = 204, description = "Signed out everywhere.")),
)]
pub(crate) async fn end_all(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &user)?;
    if state.users.get(&user).is_none_or(|known| known.role != Role::Agent) {
        return Err(Problem::not_found("there is no agent of this name"));
    }
    let ended = lock(&state.sessions).close_all(&user);
    for session in ended {
        end_phones(&state, Person { user: user.clone(), role: Role::Agent }, session).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the phone tokens of a session that is over, and what was registered with them.
async fn end_phones(state: &State, person: Person, session: u64) {
    if person.role != Role::Agent {
        return;
    }
    // Without an answer the phone's tokens end by themselves a little later; signed out they are all the same.
    if let Err(error) = state.port.end_phone_session(person.user, session).await {
        tracing::warn!(%error, "phones of a session that has ended may stay registered for some minutes");
    }
}

/// RFC 6265bis: `HttpOnly` keeps scripts from reading it, `SameSite=Strict` keeps other sites from sending it.
fn cookie(token: &str, life_s: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life_s}{secure}")
}

fn with_cookie(cookie: &str) -> [(header::HeaderName, HeaderValue); 1] {
    // The text is made of ASCII of ours, so it always is a header value.
    [(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap_or(HeaderValue::from_static("")))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let real = password::hash_password("anything").unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        let lengths = |hash: &str| hash.split('$').map(str::len).collect::<Vec<_>>();
        assert!(password::is_password_hash(DECOY));
        assert_eq!((cost(DECOY), lengths(DECOY)), (cost(&real), lengths(&real)));
    }
}
