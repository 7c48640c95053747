//! CSV in pieces: records out of a stream of bytes, in constant memory, wherever the stream is cut.
//!
//! csv-core finds the fields; here stand the lines' numbers, the place of each record in the file, the byte order mark
//! and the bound on a record's size.
//!
//! Invariant: how the bytes are cut into pieces changes nothing.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// A record may have so many bytes at most: beyond it a quote was left open and would swallow the file.
pub const LONGEST_RECORD: usize = 1 << 20;
/// And so many fields.
const MOST_FIELDS: usize = 4_096;
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the next record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u32,
    /// The byte before was CR, so an LF now belongs to the same line break.
    pub after_cr: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            offset: 0,
            line: 1,
            after_cr: false,
        }
    }
}

/// The record that begins at this line has no end in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Where it begins.
    pub line: u32,
}

/// Turns bytes into records.
#[derive(Debug)]
pub struct Decoder {
    core: Reader,
    place: Place,
    /// Bytes of the byte order mark seen so far; `None` once it is decided.
    mark: Option<usize>,
    /// Line at which the present record begins, while inside one.
    inside: Option<u32>,
    bytes: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
}

/// One record, valid until the next is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Line of the file at which it begins.
    pub line: u32,
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    /// How many fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field's bytes, without quotes.
    pub fn get(&self, n: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(n)?;
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        self.bytes.get(start..end)
    }

    /// All of them.
    pub fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        (0..self.len()).filter_map(|n| self.get(n))
    }
}

impl Decoder {
    /// Decodes from `place` on, which is 0 or where a decoder said that a record begins.
    pub fn new(delimiter: u8, place: Place) -> Self {
        let mut core = ReaderBuilder::new().delimiter(delimiter).build();
        // The engine drops a byte order mark from the first bytes it sees, which after a restart are in the middle of
        // the file. So its first record is one of ours.
        core.read_record(b"-\n", &mut [0; 8], &mut [0; 8]);
        Self {
            core,
            place,
            mark: (place.offset == 0).then_some(0),
            inside: None,
            bytes: vec![0; 4_096],
            filled: 0,
            ends: vec![0; 64],
            ended: 0,
        }
    }

    /// Where the next record begins, or the line break before it; between records only.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Takes bytes from the front of `input` until a record is complete. `None`: all taken, and more is needed.
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<Record<'a>>, TooLong> {
        if self.inside.is_none() {
            (self.filled, self.ended) = (0, 0);
            self.skip_mark(input)?;
        }
        if self.inside.is_none() {
            self.skip_line_breaks(input);
        }
        while !input.is_empty() {
            let line = *self.inside.get_or_insert(self.place.line);
            if self.step(input)? {
                self.inside = None;
                return Ok(Some(self.record(line)));
            }
        }
        Ok(None)
    }

    /// The last record, where the file does not end with a line break.
    pub fn finish(&mut self) -> Result<Option<Record<'_>>, TooLong> {
        if let Some(seen @ 1..) = self.mark.take() {
            self.inside = Some(self.place.line);
            self.step(&mut &MARK[..seen])?;
        }
        let Some(line) = self.inside else { return Ok(None) };
        while !self.step(&mut &[][..])? {}
        self.inside = None;
        Ok(Some(self.record(line)))
    }

    /// One call of the engine; true when a record is complete. Empty input tells it that the file is over.
    fn step(&mut self, input: &mut &[u8]) -> Result<bool, TooLong> {
        let (result, read, written, ended) = self.core.read_record(
            input,
            &mut self.bytes[self.filled..],
            &mut self.ends[self.ended..],
        );
        self.take(input, read);
        self.filled += written;
        self.ended += ended;
        let line = self.inside.unwrap_or(self.place.line);
        match result {
            ReadRecordResult::Record | ReadRecordResult::End => return Ok(true),
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => grow(&mut self.bytes, LONGEST_RECORD, line)?,
            ReadRecordResult::OutputEndsFull => grow(&mut self.ends, MOST_FIELDS, line)?,
        }
        Ok(false)
    }

    fn record(&self, line: u32) -> Record<'_> {
        Record {
            line,
            bytes: &self.bytes[..self.filled],
            ends: &self.ends[..self.ended],
        }
    }

    /// Drops a whole byte order mark; the beginning of one is text like any other.
    fn skip_mark(&mut self, input: &mut &[u8]) -> Result<(), TooLong> {
        while let (Some(seen), Some(byte)) = (self.mark, input.first()) {
            if *byte == MARK[seen] {
                *input = &input[1..];
                self.mark = Some(seen + 1).filter(|seen| *seen < MARK.len());
                if self.mark.is_none() {
                    self.place.offset += MARK.len() as u64;
                }
            } else {
                self.mark = None;
                if seen > 0 {
                    self.inside = Some(self.place.line);
                    self.step(&mut &MARK[..seen])?;
                }
            }
        }
        Ok(())
    }

    fn skip_line_breaks(&mut self, input: &mut &[u8]) {
        while let Some(b'\r' | b'\n') = input.first() {
            self.take(input, 1);
        }
    }

    /// Moves on by `n` bytes and counts their line breaks: LF, CR, or both together.
    fn take(&mut self, input: &mut &[u8], n: usize) {
        let (taken, rest) = input.split_at(n);
        for byte in taken {
            match byte {
                b'\n' if self.place.after_cr => {}
                b'\n' | b'\r' => self.place.line += 1,
                _ => {}
            }
            self.place.after_cr = *byte == b'\r';
        }
        self.place.offset += n as u64;
        *input = rest;
    }
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, most: usize, line: u32) -> Result<(), TooLong> {
    if buffer.len() >= most {
        return Err(TooLong { line });
    }
    buffer.resize((buffer.len() * 2).min(most), T::default());
    Ok(())
}

/// The delimiter of a header line: the commonest of comma, semicolon and tab outside quotes.
pub fn guess_delimiter(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    for byte in header {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => {
                if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| delimiter == byte) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    let best = counts
        .iter()
        .max_by_key(|(delimiter, count)| (*count, *delimiter == b','));
    best.map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<(u32, Vec<Vec<u8>>)>;

    fn decode(pieces: &[&[u8]], delimiter: u8, from: Place) -> (Rows, Vec<Place>) {
        let mut decoder = Decoder::new(delimiter, from);
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            while let Some(record) = decoder.next(&mut input).unwrap() {
                rows.push((record.line, record.fields().map(<[u8]>::to_vec).collect()));
                places.push(decoder.place());
            }
        }
        if let Some(record) = decoder.finish().unwrap() {
            rows.push((record.line, record.fields().map(<[u8]>::to_vec).collect()));
        }
        (rows, places)
    }

    fn whole(bytes: &[u8], delimiter: u8) -> Rows {
        decode(&[bytes], delimiter, Place::default()).0
    }

    fn text(rows: &Rows) -> Vec<(u32, Vec<String>)> {
        rows.iter()
            .map(|(line, fields)| {
                let fields = fields.iter().map(|f| String::from_utf8_lossy(f).into_owned());
                (*line, fields.collect())
            })
            .collect()
    }

    #[test]
    fn a_record_is_known_by_the_line_where_it_begins_whatever_stands_between() {
        let file = b"\xef\xbb\xbfa,b\r\n\r\n\"x\r\ny\",\"1 \"\"q\"\"\"\n\n\nz,2";
        let expected = [
            (1, vec!["a", "b"]),
            (3, vec!["x\r\ny", "1 \"q\""]),
            (7, vec!["z", "2"]),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(line, fields)| (line, fields.into_iter().map(str::to_owned).collect::<Vec<_>>()))
            .collect();
        assert_eq!(text(&whole(file, b',')), expected);
    }

    #[test]
    fn semicolons_tabs_and_commas_are_told_from_the_header() {
        assert_eq!(guess_delimiter(b"E-mail;Name, full;Phone\n1,2,3,4,5"), b';');
        assert_eq!(guess_delimiter(b"\"a;b;c;d\"\tName\tPhone"), b'\t');
        assert_eq!(guess_delimiter(b"email"), b',');
        assert_eq!(guess_delimiter(b"a,b;c"), b',');
    }

    #[test]
    fn a_quote_left_open_is_found_after_a_mebibyte_and_named_by_its_line() {
        let mut decoder = Decoder::new(b',', Place::default());
        let file = [b"a,b\n1,2\n\"".to_vec(), vec![b'x'; LONGEST_RECORD + 1]].concat();
        let mut input = &file[..];
        let mut found = 0;
        let error = loop {
            match decoder.next(&mut input) {
                Ok(Some(_)) => found += 1,
                Ok(None) => panic!("the file's end was reached"),
                Err(error) => break error,
            }
        };
        assert_eq!((found, error), (2, TooLong { line: 3 }));
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            6 => prop::sample::select(b",;\t\"\r\n\" a".to_vec()),
            1 => any::<u8>(),
        ];
        let mark = prop::sample::select(vec![&b""[..], b"\xef\xbb\xbf", b"\xef\xbb"]);
        (mark, prop::collection::vec(byte, 0..200)).prop_map(|(mark, rest)| [mark, &rest].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn any_bytes_in_any_pieces_give_the_same_records(
            file in bytes(), cuts in prop::collection::vec(0_usize..200, 0..8), delimiter in prop::sample::select(b",;\t".to_vec()),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(file.len())).collect();
            cuts.push(file.len());
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&file[from..cut]);
                from = cut;
            }
            prop_assert_eq!(decode(&pieces, delimiter, Place::default()), decode(&[&file], delimiter, Place::default()));
        }

        #[test]
        fn decoding_goes_on_from_any_record_as_if_it_had_never_stopped(file in bytes()) {
            let (rows, places) = decode(&[&file], b',', Place::default());
            for (n, place) in places.iter().enumerate() {
                let rest = &file[place.offset as usize..];
                prop_assert_eq!(&decode(&[rest], b',', *place).0, &rows[n + 1..].to_vec());
            }
        }

        #[test]
        fn the_fields_are_those_that_the_csv_crate_finds(file in bytes()) {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&file[..]);
            let expected: Vec<Vec<Vec<u8>>> = reader
                .byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            let found: Vec<Vec<Vec<u8>>> = whole(&file, b',').into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
