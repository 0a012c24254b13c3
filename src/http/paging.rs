//! Pages of long lists.
//!
//! The contract names the same thing in two ways: `pageNo`/`pageSize` for the patient's lists, `page_num`/`page_size`
//! for the staff's. Both default to page 1 of 10; a size above 100 counts as 100.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::params::Params;

const DEFAULT_SIZE: i64 = 10;
const MAX_SIZE: i64 = 100;

/// The most rows of a list that is answered as a whole.
const MAX_ROWS: u64 = 1_000;

/// The largest page number and size that are understood: every client's language has them exactly.
const MAX_NUMBER: i64 = (1 << 53) - 1;

/// The parameters of the patient's lists.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what PageRequest reads")]
pub struct PageQuery {
    /// From 1; without it 1.
    #[param(rename = "pageNo", minimum = 1)]
    number: Option<u64>,
    /// From 1; without it 10; above 100 it counts as 100.
    #[param(rename = "pageSize", minimum = 1)]
    size: Option<u64>,
}

/// The parameters of the staff's lists.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what PageRequest reads")]
pub struct SnakePageQuery {
    /// From 1; without it 1.
    #[param(rename = "page_num", minimum = 1)]
    number: Option<u64>,
    /// From 1; without it 10; above 100 it counts as 100.
    #[param(rename = "page_size", minimum = 1)]
    size: Option<u64>,
}

/// Which page the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    number: u64,
    size: u64,
}

impl PageRequest {
    /// Reads `pageNo` and `pageSize`.
    ///
    /// # Errors
    /// 0001 for 0, a negative number or no number.
    pub fn read(params: &Params) -> Result<Self, ApiError> {
        Self::read_named(params, "pageNo", "pageSize")
    }

    /// Reads `page_num` and `page_size`.
    ///
    /// # Errors
    /// 0001 for 0, a negative number or no number.
    pub fn read_snake(params: &Params) -> Result<Self, ApiError> {
        Self::read_named(params, "page_num", "page_size")
    }

    /// As [`PageRequest::read_snake`]; without both parameters it is everything, which is capped at 1,000 rows.
    ///
    /// # Errors
    /// 0001 for 0, a negative number or no number.
    pub fn read_snake_or_all(params: &Params) -> Result<Self, ApiError> {
        let is_given = |name| params.optional(name, "分页").is_some();
        if is_given("page_num") || is_given("page_size") {
            return Self::read_snake(params);
        }
        Ok(Self { number: 1, size: MAX_ROWS })
    }

    fn read_named(params: &Params, number: &str, size: &str) -> Result<Self, ApiError> {
        let number = match params.optional(number, "分页页码") {
            Some(param) => param.integer(1..=MAX_NUMBER)?,
            None => 1,
        };
        let size = match params.optional(size, "每页数量") {
            Some(param) => param.integer(1..=MAX_NUMBER)?.min(MAX_SIZE),
            None => DEFAULT_SIZE,
        };
        Ok(Self { number: number.unsigned_abs(), size: size.unsigned_abs() })
    }

    /// How many rows precede the page.
    pub fn offset(self) -> usize {
        let rows = (self.number - 1).saturating_mul(self.size);
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// How many rows the page has at most.
    pub fn limit(self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// The number of the page, from 1.
    pub fn number(self) -> u64 {
        self.number
    }

    /// How many rows a page has, but for the last one.
    pub fn size(self) -> u64 {
        self.size
    }

    /// How many pages so many rows fill.
    pub fn pages(self, total: u64) -> u64 {
        total.div_ceil(self.size)
    }
}

/// A page as the patient's lists answer it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    #[serde(rename = "pageNo")]
    number: u64,
    #[serde(rename = "pageSize")]
    size: u64,
    total: u64,
    pages: u64,
    list: Vec<T>,
}

impl<T> Page<T> {
    /// The page `list` of a list with `total` rows. Past the end `list` is empty and the rest is true.
    pub fn new(request: PageRequest, total: u64, list: Vec<T>) -> Self {
        Self { number: request.number, size: request.size, total, pages: request.pages(total), list }
    }

    /// Cuts the page out of the whole list.
    pub fn cut(request: PageRequest, rows: impl ExactSizeIterator<Item = T>) -> Self {
        let total = rows.len() as u64;
        let list = rows.skip(request.offset()).take(request.limit()).collect();
        Self::new(request, total, list)
    }
}

/// A page as the staff's lists answer it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnakePage<T> {
    #[serde(rename = "page_num")]
    number: u64,
    #[serde(rename = "page_size")]
    size: u64,
    total: u64,
    pages: u64,
    list: Vec<T>,
}

impl<T> From<Page<T>> for SnakePage<T> {
    fn from(page: Page<T>) -> Self {
        Self { number: page.number, size: page.size, total: page.total, pages: page.pages, list: page.list }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(query: &str) -> Result<PageRequest, ApiError> {
        PageRequest::read(&Params::from_query(query).expect("a plain query"))
    }

    #[test]
    fn without_parameters_it_is_page_1_of_10() {
        let expected = PageRequest { number: 1, size: 10 };
        assert_eq!(request("").expect("defaults"), expected);
        assert_eq!(request("pageNo=&pageSize=null").expect("both absent"), expected);
    }

    #[test]
    fn zero_negative_and_non_numeric_are_refused() {
        for value in ["0", "-1", "abc", "1.5", "1e3", "99999999999999999999", "9007199254740992"] {
            for name in ["pageNo", "pageSize"] {
                let error = request(&format!("{name}={value}")).expect_err(value);
                assert_eq!(error.code().row().status, "0001");
            }
        }
    }

    #[test]
    fn the_size_is_capped() {
        let page = request("pageNo=3&pageSize=1000").expect("capped, not refused");
        assert_eq!((page.offset(), page.limit()), (200, 100));
    }

    #[test]
    fn past_the_end_the_list_is_empty_and_the_total_true() {
        let asked = request("pageNo=9007199254740991&pageSize=2").expect("a number");
        let page = Page::cut(asked, ["a", "b", "c"].into_iter());
        assert_eq!(
            serde_json::to_value(page).expect("JSON"),
            json!({"pageNo": 9_007_199_254_740_991_u64, "pageSize": 2, "total": 3, "pages": 2, "list": []})
        );
    }

    #[test]
    fn a_page_is_cut_out_of_the_list() {
        let page = Page::cut(request("pageNo=2&pageSize=2").expect("numbers"), 1..6);
        assert_eq!(
            serde_json::to_value(page).expect("JSON"),
            json!({"pageNo": 2, "pageSize": 2, "total": 5, "pages": 3, "list": [3, 4]})
        );
    }

    #[test]
    fn an_empty_list_has_no_pages() {
        let page = Page::<u8>::new(request("").expect("defaults"), 0, Vec::new());
        assert_eq!(
            serde_json::to_value(page).expect("JSON"),
            json!({"pageNo": 1, "pageSize": 10, "total": 0, "pages": 0, "list": []})
        );
    }

    #[test]
    fn both_absent_may_mean_everything() {
        let read = |query| PageRequest::read_snake_or_all(&Params::from_query(query).expect("plain"));
        assert_eq!(read("page_num=&page_size=").expect("all"), PageRequest { number: 1, size: 1_000 });
        assert_eq!(read("page_num=2").expect("a number"), PageRequest { number: 2, size: 10 });
        assert_eq!(read("page_size=5000").expect("a number"), PageRequest { number: 1, size: 100 });
        assert!(read("page_size=0").is_err());
    }

    #[test]
    fn the_staff_reads_the_same_in_other_words() {
        let params = Params::from_json(br#"{"page_num": "2", "page_size": 1}"#).expect("JSON");
        let page = Page::cut(PageRequest::read_snake(&params).expect("numbers"), 0..3);
        assert_eq!(
            serde_json::to_value(SnakePage::from(page)).expect("JSON"),
            json!({"page_num": 2, "page_size": 1, "total": 3, "pages": 3, "list": [1]})
        );
    }
}
