//! The table of all routes, in which the route of a request is found by its method, path and headers.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::asked::Ids;
use super::route::{Route, Row, Way};
use crate::exchange::PathStyle;

pub(super) struct Table {
    entries: Vec<Entry>,
}

/// One method and template. A way that is asked for in two styles of path has two entries.
struct Entry {
    route: Route,
    way: &'static Way,
    segments: Vec<Segment>,
}

enum Segment {
    Static(String),
    Id(&'static str),
}

pub(super) struct Found {
    pub(super) route: Route,
    pub(super) way: &'static Way,
    pub(super) ids: Ids,
}

impl Table {
    pub(super) fn new(rows: impl Iterator<Item = &'static Row>) -> Self {
        let ways = rows.flat_map(|row| row.ways.iter().map(|way| (row.route, way)));
        let entries = ways
            .flat_map(|(route, way)| templates(way).into_iter().map(move |segments| Entry { route, way, segments }));
        Self { entries: entries.collect() }
    }

    /// The route of a request. Where several fit, the one with the fewest ids, and then the one that is meant.
    pub(super) fn find(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Found> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let asked = self.entries.iter().filter(|entry| entry.way.operation.method == *method);
        let meant = asked.filter(|entry| entry.way.is_meant.is_none_or(|is_meant| is_meant(headers)));
        let fitting = meant.filter_map(|entry| Some((entry, ids(&entry.segments, &parts)?)));
        let (entry, ids) = fitting.min_by_key(|(entry, ids)| (ids.len(), entry.way.is_meant.is_none()))?;
        Some(Found { route: entry.route, way: entry.way, ids })
    }
}

/// The ids in a path that fits.
fn ids(segments: &[Segment], parts: &[&str]) -> Option<Ids> {
    if segments.len() != parts.len() {
        return None;
    }
    let mut ids = Ids::new();
    for (segment, part) in segments.iter().zip(parts) {
        match segment {
            Segment::Static(text) if text == part => {}
            Segment::Static(_) => return None,
            Segment::Id(name) => ids.push((name, percent_decode_str(part).decode_utf8_lossy().into_owned())),
        }
    }
    Some(ids)
}

/// The templates of a way in segments: a path that begins in the style of its base URL is served in both styles.
fn templates(way: &Way) -> Vec<Vec<Segment>> {
    let (below, template) = way.place();
    let styled = |base: &str, style: PathStyle| match template.split_once('}') {
        Some(("{prefix", rest)) => Some((format!("{base}{}", style.prefix()), rest)),
        Some(("{codex", rest)) => Some((format!("{base}{}", style.models_prefix()), rest)),
        _ => None,
    };
    let both: Vec<_> =
        [styled(below, PathStyle::ChatGpt), styled("", PathStyle::Codex)].into_iter().flatten().collect();
    let all = if both.is_empty() { vec![(below.to_owned(), template)] } else { both };
    all.into_iter().map(|(base, rest)| segments(&base, rest)).collect()
}

fn segments(base: &str, template: &'static str) -> Vec<Segment> {
    let of_base = base.split('/').skip(1).map(|part| Segment::Static(part.to_owned()));
    let of_template = template.split('/').skip(1).map(|part| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        name.map_or_else(|| Segment::Static(part.to_owned()), Segment::Id)
    });
    of_base.chain(of_template).collect()
}
