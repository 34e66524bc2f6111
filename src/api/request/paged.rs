//! Lists that come in pages: one page, a stream of pages, a stream of items.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::api_request::{ApiRequest, with_call_options};
use crate::error::{Error, ErrorKind};
use crate::exchange::CallOptions;
use crate::mode::mistakes::{AwaitedList, IteratedList, ListInPages};

/// A list that comes in pages, made by the methods of endpoint handles.
///
/// Take one page with [`page`](Self::page), or go through all of them with [`pages`](Self::pages) or
/// [`items`](Self::items). Pages are requested one after the other, each when it is needed. So memory does not grow
/// with the list, and dropping the stream ends it. After an error the stream ends; to continue, start again
/// [`from_cursor`](Self::from_cursor) of the last page. If the server sends the same cursor twice, the list ends with
/// [`ErrorKind::RepeatedCursor`]. If it sends ever-new ones, the list ends with [`ErrorKind::ListTooLong`] after 1,000
/// pages, unless [`with_page_limit`](Self::with_page_limit) sets another number, or after ten minutes of waiting for pages,
/// unless [`with_total_timeout`](Self::with_total_timeout) sets another time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// # backend.add_tasks(45);
/// use futures_util::TryStreamExt;
///
/// let mut tasks = client.cloud_tasks().list().with_item_limit(30).items();
/// let mut titles = Vec::new();
/// while let Some(task) = tasks.try_next().await? {
///     titles.push(task.title);
/// }
/// assert_eq!(titles.len(), 30);
/// # Ok(()) }
/// ```
#[must_use = "a list is not asked for unless a page is awaited or a stream is polled"]
pub struct PagedRequest<T> {
    request: Arc<PageRequest<T>>,
    operation: &'static str,
    cursor: Option<String>,
    item_limit: Option<usize>,
    page_limit: Option<usize>,
    total_timeout: Duration,
    options: CallOptions,
}

/// How many pages a list may have where no limit is set.
const MOST_PAGES: usize = 1_000;

/// How long its pages may take together.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Makes the request for the page at a cursor.
type PageRequest<T> = dyn Fn(Option<&str>) -> ApiRequest<Page<T>> + Send + Sync;

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A blank cursor is none.
    pub(crate) fn new(items: Vec<T>, cursor: Option<String>) -> Self {
        Self { items, next_cursor: cursor.filter(|cursor| !cursor.trim().is_empty()) }
    }
}

impl<T: Send + 'static> PagedRequest<T> {
    pub(crate) fn new(
        operation: &'static str,
        request: impl Fn(Option<&str>) -> ApiRequest<Page<T>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            request: Arc::new(request),
            operation,
            cursor: None,
            item_limit: None,
            page_limit: None,
            total_timeout: TOTAL_TIMEOUT,
            options: CallOptions::default(),
        }
    }

    with_call_options!("each page", options);

    /// Starts at the page with this [`Page::next_cursor`] instead of the first.
    pub fn from_cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The maximum number of items. No page is requested beyond it. Default: no limit.
    pub fn with_item_limit(mut self, items: usize) -> Self {
        self.item_limit = Some(items);
        self
    }

    /// The maximum number of pages, at which the list ends without an error. Default: more than 1,000 pages are an error,
    /// [`ErrorKind::ListTooLong`].
    pub fn with_page_limit(mut self, pages: usize) -> Self {
        self.page_limit = Some(pages);
        self
    }

    /// The time-out for all pages together, without the time in which no page is waited for; then
    /// [`ErrorKind::ListTooLong`]. It is looked at between pages. Default: 10 minutes.
    pub fn with_total_timeout(mut self, time: Duration) -> Self {
        self.total_timeout = time;
        self
    }

    /// One page: the one at the cursor, or the first. The limits on items and pages do not apply.
    pub fn page(self) -> ApiRequest<Page<T>> {
        (self.request)(self.cursor.as_deref()).with_options(self.options)
    }

    /// The pages as a stream, within the limits. If the limit on items cuts a page, its cursor still points to the next
    /// whole page.
    pub fn pages(self) -> PageStream<T> {
        let walk = Walk {
            items_left: self.item_limit.unwrap_or(usize::MAX),
            pages_left: self.page_limit.unwrap_or(usize::MAX),
            pages: 0,
            items: 0,
            waited: Duration::ZERO,
            next: Some(self.cursor.clone()),
            seen: SeenCursors::default(),
            list: self,
        };
        PageStream { pages: stream::unfold(walk, Walk::step).boxed() }
    }

    /// The items of all pages as a stream, within the limits.
    pub fn items(self) -> ItemStream<T> {
        let items = self.pages().map_ok(|page| stream::iter(page.items.into_iter().map(Ok))).try_flatten();
        ItemStream { items: items.boxed() }
    }

    /// All items in memory, within the limits.
    ///
    /// # Errors
    ///
    /// When the request for a page fails. The items of earlier pages are then lost; to keep them, use
    /// [`items`](Self::items).
    pub async fn all(self) -> Result<Vec<T>, Error> {
        self.items().try_collect().await
    }
}

/// For the compiler to say what can be awaited of a list.
#[doc(hidden)]
impl<T> Future for PagedRequest<T>
where
    ListInPages<T>: AwaitedList,
{
    type Output = Result<Vec<T>, Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        ListInPages::<T>::never()
    }
}

/// For the compiler to say how to go through a list.
#[doc(hidden)]
impl<T> Iterator for PagedRequest<T>
where
    ListInPages<T>: IteratedList,
{
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        ListInPages::<T>::never()
    }
}

/// The state of going from page to page.
struct Walk<T> {
    list: PagedRequest<T>,
    /// The cursor of the next page; `None` when there is none.
    next: Option<Option<String>>,
    items_left: usize,
    pages_left: usize,
    /// How far it has come.
    pages: usize,
    items: usize,
    /// The time that requests have taken.
    waited: Duration,
    seen: SeenCursors,
}

impl<T: Send + 'static> Walk<T> {
    async fn step(mut self) -> Option<(Result<Page<T>, Error>, Self)> {
        if self.items_left == 0 || self.pages_left == 0 {
            return None;
        }
        let cursor = self.next.take()?;
        if let Some(cursor) = &cursor
            && !self.seen.insert(cursor)
        {
            let message = "the server names a page that it has given already: the list would never end";
            return Some((Err(Error::new(ErrorKind::RepeatedCursor, self.list.operation, message).sent(true)), self));
        }
        let is_too_many = self.list.page_limit.is_none() && self.pages >= MOST_PAGES;
        if is_too_many || (self.pages > 0 && self.waited >= self.list.total_timeout) {
            let (pages, items, seconds) = (self.pages, self.items, self.waited.as_secs());
            let message = format!("the list has not ended after {pages} pages with {items} items, in {seconds} s");
            return Some((Err(Error::new(ErrorKind::ListTooLong, self.list.operation, message).sent(true)), self));
        }
        let request = (self.list.request)(cursor.as_deref()).with_options(self.list.options);
        let clock = request.clock();
        let now = || clock.as_ref().map_or(Duration::ZERO, |clock| clock.monotonic());
        let began = now();
        let page = request.await;
        self.waited += now().saturating_sub(began);
        let page = page.map(|mut page| {
            self.pages += 1;
            self.items += page.items.len();
            page.items.truncate(self.items_left);
            self.items_left -= page.items.len();
            self.pages_left -= 1;
            self.next = page.next_cursor.clone().map(Some);
            page
        });
        Some((page, self))
    }
}

/// Which cursors have been used, in eight bytes each.
#[derive(Default)]
struct SeenCursors {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl SeenCursors {
    fn insert(&mut self, cursor: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(cursor))
    }
}

/// The pages of a list, made by [`PagedRequest::pages`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// # backend.add_tasks(45);
/// use futures_util::TryStreamExt;
///
/// let pages: Vec<_> = client.cloud_tasks().list().pages().try_collect().await?;
/// assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [20, 20, 5]);
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing unless polled"]
pub struct PageStream<T> {
    pages: BoxStream<'static, Result<Page<T>, Error>>,
}

impl<T> Stream for PageStream<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pages.as_mut().poll_next(context)
    }
}

/// The items of a list, made by [`PagedRequest::items`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// # backend.add_tasks(45);
/// use futures_util::TryStreamExt;
///
/// let newest = client.cloud_tasks().list().items().try_next().await?;
/// assert!(newest.is_some());
/// assert_eq!(backend.requests().len(), 1); // only the page that was needed
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing unless polled"]
pub struct ItemStream<T> {
    items: BoxStream<'static, Result<T, Error>>,
}

impl<T> Stream for ItemStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for PagedRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagedRequest")
            .field("operation", &self.operation)
            .field("item_limit", &self.item_limit)
            .field("page_limit", &self.page_limit)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PageStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageStream").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ItemStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemStream").finish_non_exhaustive()
    }
}
