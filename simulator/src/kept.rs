//! What a demo's WeChat Pay remembers from one start to the next: orders and refunds, in one file.
//!
//! A payer who has an open order finds it again, and what was paid can still be given back. What cannot be read is forgotten,
//! and what cannot be written stays for this run: the server lives with both, as orders that are unknown to WeChat end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::gateway::MerchantState;
use crate::orders::Order;
use crate::refunds::Refund;

/// Where it is kept, and how it stands there.
#[derive(Debug)]
pub(crate) struct Kept {
    file: PathBuf,
    written: String,
}

/// One merchant's.
#[derive(Deserialize)]
struct Read {
    orders: BTreeMap<String, Order>,
    refunds: BTreeMap<String, Refund>,
}

#[derive(Serialize)]
struct Written<'a> {
    orders: &'a BTreeMap<String, Order>,
    refunds: &'a BTreeMap<String, Refund>,
}

impl Kept {
    /// Gives the merchants what they had.
    pub(crate) fn restore(folder: &Path, merchants: &mut BTreeMap<String, MerchantState>) -> Self {
        let file = folder.join("simulator-orders.json");
        let written = fs::read_to_string(&file).unwrap_or_default();
        let known: BTreeMap<String, Read> = serde_json::from_str(&written).unwrap_or_default();
        for (mch_id, Read { orders, refunds }) in known {
            if let Some(merchant) = merchants.get_mut(&mch_id) {
                (merchant.orders, merchant.refunds) = (orders, refunds);
            }
        }
        Self { file, written }
    }

    /// Writes what has changed.
    pub(crate) fn save(&mut self, merchants: &BTreeMap<String, MerchantState>) {
        let all: BTreeMap<&str, Written<'_>> = merchants
            .iter()
            .map(|(id, state)| (id.as_str(), Written { orders: &state.orders, refunds: &state.refunds }))
            .collect();
        let Ok(text) = serde_json::to_string(&all) else { return };
        if text == self.written {
            return;
        }
        let begun = self.file.with_extension("new");
        if fs::write(&begun, &text).and_then(|()| fs::rename(&begun, &self.file)).is_ok() {
            self.written = text;
        }
    }
}
