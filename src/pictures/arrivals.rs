//! The uploads that are under way: a bounded number, and never two of the same picture.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use storage::PictureId;

/// Uploads at a time. Each holds its file and its decoded picture in memory.
const AT_ONCE: usize = 8;

/// The pictures that are arriving.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<HashSet<PictureId>>);

/// Why an upload cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The same picture is arriving already.
    UnderWay,
    /// As many as can be are arriving.
    Full,
}

impl Arrivals {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an upload, which lasts until the answer is dropped.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn begin(self: &Arc<Self>, picture: PictureId) -> Result<Arrival, Refused> {
        let mut under_way = self.0.lock();
        if under_way.contains(&picture) {
            return Err(Refused::UnderWay);
        }
        if under_way.len() >= AT_ONCE {
            return Err(Refused::Full);
        }
        under_way.insert(picture);
        Ok(Arrival { arrivals: Arc::clone(self), picture })
    }
}

/// An upload that is under way.
#[derive(Debug)]
pub struct Arrival {
    arrivals: Arc<Arrivals>,
    picture: PictureId,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrivals.0.lock().remove(&self.picture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when the end of an upload left its picture in the set.
    #[test]
    fn one_upload_of_a_picture_and_few_of_all() {
        let arrivals = Arc::new(Arrivals::new());
        let id = |number: u8| PictureId::from_bytes([number; 16]);
        let first = arrivals.begin(id(0)).expect("begun");
        assert_eq!(arrivals.begin(id(0)).map(drop), Err(Refused::UnderWay));
        let others: Vec<_> =
            (1..AT_ONCE as u8).map(|number| arrivals.begin(id(number)).expect("begun")).collect();
        assert_eq!(arrivals.begin(id(99)).map(drop), Err(Refused::Full));
        drop(first);
        drop(arrivals.begin(id(0)).expect("begun anew"));
        drop(others);
        assert!(arrivals.0.lock().is_empty());
    }
}
