//! The bookings of one schedule, in the order of their ids.

use crate::booking::Booking;
use crate::ids::BookingId;

/// Bookings, ascending by id. A plain vector: a schedule has 500 at most, new ones mostly come last,
/// and what waits in memory for a whole clinic should be no larger than it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger(Vec<Booking>);

impl Ledger {
    pub(crate) fn get(&self, id: BookingId) -> Option<&Booking> {
        self.place(id).ok().map(|index| &self.0[index])
    }

    pub(crate) fn get_mut(&mut self, id: BookingId) -> Option<&mut Booking> {
        self.place(id).ok().map(|index| &mut self.0[index])
    }

    /// Says no, and changes nothing, if there is one with this id.
    pub(crate) fn insert(&mut self, booking: Booking) -> bool {
        let Err(index) = self.place(booking.id) else {
            return false;
        };
        self.0.insert(index, booking);
        true
    }

    pub(crate) fn remove(&mut self, id: BookingId) -> Option<Booking> {
        self.place(id).ok().map(|index| self.0.remove(index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Booking> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives back the room for more.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    fn place(&self, id: BookingId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |booking| booking.id)
    }
}
