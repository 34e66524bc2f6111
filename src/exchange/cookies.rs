//! Cloudflare's own cookies, for ChatGPT hosts only, in memory only. They say that a browser check was passed; cookies
//! of accounts and sessions are never kept, since clients with different credentials could share a jar.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::clock::Clock;
use super::origin::{Origin, TrustedHosts};

const NAMES: [&str; 9] = [
    "__cf_bm",
    "__cflb",
    "__cfruid",
    "__cfseq",
    "__cfwaitingroom",
    "_cfuvid",
    "cf_clearance",
    "cf_ob_info",
    "cf_use_ob",
];
const NAME_PREFIX: &str = "cf_chl_";
/// More than Cloudflare sets; a server that sets more than this is not taken at its word.
const MOST_COOKIES: usize = 32;

/// The cookies of one client. Each goes back to the very host that set it.
#[derive(Default)]
pub(super) struct CookieJar {
    cookies: Mutex<Vec<Cookie>>,
}

struct Cookie {
    host: String,
    name: String,
    value: String,
    expires: Option<SystemTime>,
}

impl CookieJar {
    /// Adds the host's cookies to a request.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, url: &Url, clock: &dyn Clock) {
        let mut cookies = self.cookies();
        if cookies.is_empty() {
            return;
        }
        let Some(host) = host_with_cookies(url) else { return };
        let now = clock.now();
        cookies.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
        let pairs: Vec<String> = cookies
            .iter()
            .filter(|cookie| cookie.host == host)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if pairs.is_empty() {
            return;
        }
        if let Ok(mut value) = HeaderValue::try_from(pairs.join("; ")) {
            value.set_sensitive(true);
            headers.insert(http::header::COOKIE, value);
        }
    }

    /// Keeps what an answer sets.
    pub(super) fn keep(&self, headers: &HeaderMap, url: &Url, clock: &dyn Clock) {
        if !headers.contains_key(SET_COOKIE) {
            return;
        }
        let Some(host) = host_with_cookies(url) else { return };
        let now = clock.now();
        let mut cookies = self.cookies();
        for cookie in
            headers.get_all(SET_COOKIE).iter().filter_map(|value| Cookie::parse(value.to_str().ok()?, &host, now))
        {
            cookies.retain(|known| known.host != cookie.host || known.name != cookie.name);
            if cookies.len() < MOST_COOKIES && cookie.expires.is_none_or(|expires| expires > now) {
                cookies.push(cookie);
            }
        }
    }

    fn cookies(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieJar")
    }
}

impl Cookie {
    fn parse(text: &str, host: &str, now: SystemTime) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        if !NAMES.contains(&name) && !name.starts_with(NAME_PREFIX) {
            return None;
        }
        let mut expires = None;
        for (attribute, setting) in parts.filter_map(|part| part.split_once('=')) {
            if attribute.eq_ignore_ascii_case("max-age") {
                // It counts for more than `Expires`, wherever it stands.
                let seconds = setting.parse::<i64>().ok()?;
                expires = now.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
                break;
            }
            if attribute.eq_ignore_ascii_case("expires") {
                expires = httpdate::parse_http_date(setting).ok();
            }
        }
        Some(Self { host: host.to_owned(), name: name.to_owned(), value: value.to_owned(), expires })
    }
}

/// The host of a request, if it is a ChatGPT one reached by `https`.
fn host_with_cookies(url: &Url) -> Option<String> {
    let origin = Origin::of(url)?;
    TrustedHosts::CODEX_BACKEND.contains(&origin).then(|| origin.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(SystemTime);

    impl Clock for At {
        fn now(&self) -> SystemTime {
            self.0
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn jar(uri: &'static str, set: &[&'static str]) -> CookieJar {
        let jar = CookieJar::default();
        let mut headers = HeaderMap::new();
        for text in set {
            headers.append(SET_COOKIE, HeaderValue::from_static(text));
        }
        jar.keep(&headers, &uri.parse().unwrap(), &At(now()));
        jar
    }

    fn sent(jar: &CookieJar, uri: &'static str, now: SystemTime) -> Option<String> {
        let mut headers = HeaderMap::new();
        jar.add_to(&mut headers, &uri.parse().unwrap(), &At(now));
        let value = headers.get("cookie")?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cloudflare_cookies_of_a_chatgpt_host_come_back_to_it_alone() {
        let jar = jar(
            "https://chatgpt.com/backend-api/files",
            &[
                "__cf_bm=a.b-c; path=/; expires=Fri, 31-Dec-99 23:59:59 GMT; domain=.chatgpt.com; HttpOnly; Secure",
                "cf_chl_rc_i=1; path=/",
                "__Secure-next-auth.session-token=secret; path=/",
                "oai-did=device; path=/",
            ],
        );
        assert_eq!(sent(&jar, "https://chatgpt.com/x", now()).as_deref(), Some("__cf_bm=a.b-c; cf_chl_rc_i=1"));
        for elsewhere in [
            "http://chatgpt.com/x",
            "https://sub.chatgpt.com/x",
            "https://chatgpt.com:8443/x",
            "https://api.openai.com/v1",
            "https://chatgpt.com.evil.example/x",
            "http://127.0.0.1:1/x",
        ] {
            assert_eq!(sent(&jar, elsewhere, now()), None, "{elsewhere}");
        }
    }

    #[test]
    fn other_hosts_set_nothing() {
        for uri in [
            "http://127.0.0.1:8080/backend-api",
            "https://evilchatgpt.com/",
            "https://foo.chat.openai.com/",
            "https://api.openai.com/v1",
        ] {
            assert!(jar(uri, &["__cf_bm=x"]).cookies().is_empty(), "{uri}");
        }
    }

    #[test]
    fn cookies_expire_are_replaced_and_deleted() {
        let uri = "https://chatgpt.com/";
        let jar = jar(uri, &["__cf_bm=old", "__cf_bm=new; Max-Age=60", "_cfuvid=x", "_cfuvid=; Max-Age=0"]);
        assert_eq!(sent(&jar, uri, now()).as_deref(), Some("__cf_bm=new"));
        assert_eq!(sent(&jar, uri, now() + Duration::from_secs(61)), None);
    }
}
