//! The bytes of one file in memory, in pages that copies share: a copy costs next to nothing and
//! only what is written to it takes room.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

pub(crate) const PAGE: usize = 4096;

type Page = [u8; PAGE];

/// A file's bytes. What was never written reads as zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    len: usize,
    /// Shared with other copies; a page that is missing at the end is all zeros.
    base: Arc<Vec<Option<Arc<Page>>>>,
    /// Written since.
    over: BTreeMap<usize, Box<Page>>,
}

impl Image {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn page(&self, number: usize) -> Option<&Page> {
        let below = || self.base.get(number).and_then(|page| page.as_deref());
        self.over.get(&number).map(|page| &**page).or_else(below)
    }

    fn copy(&self, offset: usize, out: &mut [u8]) {
        for (number, within, range) in pieces(offset, out.len()) {
            let out = &mut out[range];
            match self.page(number) {
                Some(page) => out.copy_from_slice(&page[within..within + out.len()]),
                None => out.fill(0),
            }
        }
    }

    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.copy(offset, out);
        Ok(())
    }

    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) {
        for (number, within, range) in pieces(offset, data.len()) {
            if !self.over.contains_key(&number) {
                let page = self.page(number).map_or_else(|| Box::new([0; PAGE]), |p| Box::new(*p));
                self.over.insert(number, page);
            }
            let page = self.over.get_mut(&number).unwrap();
            page[within..within + range.len()].copy_from_slice(&data[range]);
        }
        self.len = self.len.max(offset + data.len());
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        if len < self.len {
            let first = len.div_ceil(PAGE);
            self.over.split_off(&first);
            if first < self.base.len() {
                self.base = Arc::new(self.base[..first].to_vec());
            }
            let within = len % PAGE;
            if within > 0 && self.page(len / PAGE).is_some() {
                let end = len + PAGE - within;
                self.write(len, &vec![0; end - len]);
            }
        }
        self.len = len;
    }

    /// Makes what was written since part of what copies share.
    pub(crate) fn settle(&mut self) {
        if self.over.is_empty() {
            return;
        }
        let mut pages = self.base.to_vec();
        for (number, page) in std::mem::take(&mut self.over) {
            if pages.len() <= number {
                pages.resize(number + 1, None);
            }
            pages[number] = Some(Arc::new(*page));
        }
        self.base = Arc::new(pages);
    }
}

/// Cuts a range into pieces that lie in one page each: page, offset in it, range of the buffer.
fn pieces(
    offset: usize,
    len: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (number, within) = ((offset + done) / PAGE, (offset + done) % PAGE);
        let piece = done..(done + PAGE - within).min(len);
        done = piece.end;
        (!piece.is_empty()).then_some((number, within, piece))
    })
}
