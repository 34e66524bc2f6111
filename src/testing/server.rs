//! One request: its route is found, it is recorded, its fault takes effect, and the handler answers.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;

#[cfg(feature = "agent-identity")]
use super::agents::Agents;
use super::asked::Asked;
use super::backend::State;
use super::credentials::Accounts;
use super::fault::{Effect, Script};
use super::listener::{ReplyBody, Reset, half, read, scripted, whole};
use super::recorded::{Recorded, RecordedRequest};
use super::reply::Reply;
use super::route::{Access, Handler, Reception};
use super::table::{Found, Table};
use super::world::World;

pub(super) async fn serve(
    request: Request<Incoming>,
    state: Arc<State>,
    table: Arc<Table>,
    reset: Arc<AtomicBool>,
) -> Result<Response<ReplyBody>, Reset> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let (head, mut body) = request.into_parts();
    let found = table.find(&head.method, head.uri.path(), &head.headers);
    let route = found.as_ref().map(|found| found.route);
    let (record, effect) = {
        let mut world = state.world();
        let requests = &mut world.of::<Recorded>().requests;
        requests.push(RecordedRequest {
            method: head.method.clone(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: Bytes::new(),
            route,
        });
        (requests.len() - 1, route.and_then(|route| world.of::<Script>().next(route)))
    };
    let mut pause = Duration::ZERO;
    match &effect {
        Some(Effect::Stall) => pending::<()>().await,
        Some(Effect::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(Effect::ReadSlowly { pause: asked }) => pause = *asked,
        _ => {}
    }

    let mut reception = found.as_ref().and_then(|found| receive(&mut state.world(), found, &head));
    let mut content = Vec::new();
    read(&mut body, pause, |chunk| match &mut reception {
        Some(Ok(receiver)) => receiver.take(chunk),
        Some(Err(_)) => {}
        None => content.extend_from_slice(chunk),
    })
    .await?;
    let content = Bytes::from(content);
    state.world().of::<Recorded>().requests[record].body = content.clone();

    let mut reply = match (&effect, reception) {
        (Some(Effect::ResetBeforeHeaders), _) => {
            reset.store(true, Ordering::Relaxed);
            return Err(Reset);
        }
        (Some(Effect::Answer { status, headers, body }), _) => Reply::raw(*status, headers, body),
        (_, Some(Ok(receiver))) => receiver.finish(&mut state.world()),
        (_, Some(Err(refusal))) => refusal,
        (_, None) => answer(&mut state.world(), found.as_ref(), &head, &content),
    };
    if matches!(effect, Some(Effect::TruncateJson)) {
        reply.body.truncate(reply.body.len() / 2);
    }
    let mut response = Response::builder().status(reply.status);
    if let Some(headers) = response.headers_mut() {
        headers.extend(reply.headers);
        if let Some(now) = state.world().clock.as_ref().map(|clock| clock.now()) {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(now));
            headers.entry("date").or_insert(date.unwrap_or(HeaderValue::from_static("-")));
        }
        let id = format!("req_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        headers.entry("x-request-id").or_insert(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req")));
    }
    let broken = matches!(effect, Some(Effect::ResetInBody));
    if broken && let Some(headers) = response.headers_mut() {
        reset.store(true, Ordering::Relaxed);
        // An empty body has no middle: one byte is promised that never comes.
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(reply.body.len().max(1)));
    }
    let body = match reply.script {
        Some(script) if !broken => scripted(script, &reset),
        _ if broken => half(&reply.body),
        _ => whole(reply.body),
    };
    response.body(body).map_err(|_| Reset)
}

/// `None` where the route's handler wants the whole request.
fn receive(world: &mut World, found: &Found, head: &Parts) -> Option<Reception> {
    let Handler::Receiving(handler) = found.way.handler else { return None };
    Some(check(world, found.way.access, &head.headers).and_then(|account_id| {
        let body = Bytes::new();
        handler(world, &asked(&account_id, found, head, &body))
    }))
}

fn answer(world: &mut World, found: Option<&Found>, head: &Parts, body: &Bytes) -> Reply {
    let access = found.map_or_else(|| access_of_unknown(head.uri.path()), |found| found.way.access);
    let account_id = match check(world, access, &head.headers) {
        Ok(account_id) => account_id,
        Err(refusal) => return refusal,
    };
    match found.map(|found| (found, &found.way.handler)) {
        Some((found, Handler::Whole(handler))) => handler(world, &asked(&account_id, found, head, body)),
        Some((_, Handler::Receiving(_))) | None => {
            let (method, path) = (&head.method, head.uri.path());
            Reply::not_found(&format!("the embedded backend has no route for `{method} {path}`"))
        }
    }
}

/// Who may be told that a route does not exist: as with the real servers, those who may ask.
fn access_of_unknown(path: &str) -> Access {
    match path.trim_start_matches('/').split('/').next() {
        Some("v1") => Access::ApiKey,
        Some("backend-api" | "api") => Access::Account,
        _ => Access::Open,
    }
}

fn asked<'a>(account_id: &'a str, found: &'a Found, head: &'a Parts, body: &'a Bytes) -> Asked<'a> {
    let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    Asked { account_id, ids: &found.ids, query, headers: &head.headers, body }
}

/// The account that the headers open, if one is demanded, or the answer that refuses them.
fn check(world: &mut World, access: Access, headers: &HeaderMap) -> Result<String, Reply> {
    match access {
        Access::Open => Ok(String::new()),
        Access::AccountOrOpen if !headers.contains_key("authorization") => Ok(String::new()),
        Access::Account | Access::AccountOrOpen => check_account(world, headers),
        Access::ApiKey => world.of::<Accounts>().check_api_key(headers).map(|()| String::new()),
    }
}

fn check_account(world: &mut World, headers: &HeaderMap) -> Result<String, Reply> {
    #[cfg(feature = "agent-identity")]
    {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        if let Some(assertion) = authorization.and_then(|value| value.strip_prefix("AgentAssertion ")) {
            let now = world.now();
            let account_id = world.of::<Agents>().check(assertion, headers, now)?;
            return world.of::<Accounts>().check_fedramp(&account_id, headers).map(|()| account_id);
        }
    }
    world.of::<Accounts>().check_token(headers)
}
