//! Texts on their way between the server, which has them in its database's encoding, and Rust, which has UTF-8.
//!
//! What is no letter by the encoding, or none that Unicode has, comes as one character of a private range for each byte,
//! and goes back as these bytes: every text of the server makes the way to Rust and back unchanged.

use super::value::Made;
use pgrx::pg_sys::{self, Datum, Oid, pg_enc};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};

/// A text as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ServerText(CString);

impl ServerText {
    /// Raises PostgreSQL's error (22P05) for a letter that the server's encoding has not.
    pub fn of(text: &str) -> Self {
        Self::copy(&encode(text, Lacking::Raise, known_or_found_converter))
    }

    /// With a question mark for such a letter, for messages: nothing is looked up and nothing raised.
    pub fn for_message(text: &str) -> Self {
        Self::copy(&encode(text, Lacking::Replace, known_converter))
    }

    /// Zero bytes, which no text of the server can have, are left out.
    pub fn copy(bytes: &[u8]) -> Self {
        let without_zero = || bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>();
        ServerText(CString::new(bytes).or_else(|_| CString::new(without_zero())).unwrap_or_default())
    }

    pub fn as_c_str(&self) -> &CStr {
        &self.0
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    pub fn text(&self) -> String {
        from_server(self.bytes())
    }

    /// A text datum in the current memory context.
    pub fn datum(&self) -> Made {
        let bytes = self.bytes();
        // SAFETY: the bytes are copied.
        unsafe { Made::of(pg_sys::cstring_to_text_with_len(bytes.as_ptr().cast(), bytes.len() as c_int)) }
    }
}

/// A text of the server.
pub fn from_server(bytes: &[u8]) -> String {
    decode(bytes, known_or_found_converter)
}

/// As `from_server`, where nothing may be looked up: while an error is on its way. Letters that would need it are bytes.
pub fn from_server_in_trouble(bytes: &[u8]) -> String {
    decode(bytes, known_converter)
}

/// A text of the server.
///
/// # Safety
/// A valid C string.
pub unsafe fn from_c(text: *const std::ffi::c_char) -> String {
    // SAFETY: by contract.
    from_server(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Whether letters of the server are UTF-8, or nobody knows what they are.
fn takes_utf8() -> bool {
    matches!(encoding(), pg_enc::PG_UTF8 | pg_enc::PG_SQL_ASCII)
}

fn encoding() -> pg_enc::Type {
    // SAFETY: a plain global of the process.
    unsafe { pg_sys::GetDatabaseEncoding() as pg_enc::Type }
}

/// The two conversions between the server's encoding and UTF-8.
#[derive(Clone, Copy)]
struct Converter {
    encoding: pg_enc::Type,
    decode: *mut pg_sys::FmgrInfo,
    encode: *mut pg_sys::FmgrInfo,
}

thread_local! {
    /// Once looked up they are kept, as a process never changes its database.
    static CONVERTER: Cell<Option<Converter>> = const { Cell::new(None) };
}

fn known_converter() -> Option<Converter> {
    CONVERTER.get()
}

fn known_or_found_converter() -> Option<Converter> {
    // SAFETY: a plain look at the transaction's state.
    if CONVERTER.get().is_none() && unsafe { pg_sys::IsTransactionState() } {
        CONVERTER.set(Converter::find());
    }
    CONVERTER.get()
}

unsafe extern "C-unwind" {
    fn FindDefaultConversion(namespace: Oid, from: i32, to: i32) -> Oid;
}

impl Converter {
    /// PostgreSQL's own, not what somebody else has declared to be the default; None where there is none.
    fn find() -> Option<Self> {
        let encoding = encoding();
        let find = |from: pg_enc::Type, to: pg_enc::Type| {
            let namespace = Oid::from(pg_sys::PG_CATALOG_NAMESPACE);
            // SAFETY: a catalog look-up inside a transaction; what is kept lives as long as the process.
            unsafe {
                let function =
                    pg_sys::ffi::pg_guard_ffi_boundary(|| FindDefaultConversion(namespace, from as i32, to as i32));
                if function == Oid::INVALID {
                    return None;
                }
                let place = pg_sys::MemoryContextAllocZero(pg_sys::TopMemoryContext, size_of::<pg_sys::FmgrInfo>());
                let place = place.cast::<pg_sys::FmgrInfo>();
                pg_sys::fmgr_info_cxt(function, place, pg_sys::TopMemoryContext);
                Some(place)
            }
        };
        Some(Converter { encoding, decode: find(encoding, pg_enc::PG_UTF8)?, encode: find(pg_enc::PG_UTF8, encoding)? })
    }

    fn decode(&self, bytes: &[u8]) -> Converted {
        convert(self.decode, (self.encoding, pg_enc::PG_UTF8), bytes)
    }

    fn encode(&self, bytes: &[u8]) -> Converted {
        convert(self.encode, (pg_enc::PG_UTF8, self.encoding), bytes)
    }

    /// The bytes as UTF-8, if they come back from it as they are.
    fn round_trip(&self, bytes: &[u8]) -> Option<String> {
        let there = self.decode(bytes);
        let back = self.encode(&there.bytes);
        let same = there.used == bytes.len() && back.used == there.bytes.len() && back.bytes == bytes;
        String::from_utf8(there.bytes).ok().filter(|_| same)
    }

    /// Bytes of the first letter.
    fn letter_length(&self, bytes: &[u8]) -> usize {
        // SAFETY: behind the bytes, copied for that, comes a zero, which ends every letter.
        let length = unsafe {
            let start = ServerText::copy(&bytes[..bytes.len().min(LONGEST_LETTER)]);
            pg_sys::pg_encoding_mblen(self.encoding as c_int, start.as_c_str().as_ptr())
        };
        usize::try_from(length).unwrap_or(1).clamp(1, bytes.len())
    }
}

/// Bytes that a letter has at most, in any encoding.
const LONGEST_LETTER: usize = 4;

/// What a conversion gave, and how many of the bytes before it could be converted.
struct Converted {
    bytes: Vec<u8>,
    used: usize,
}

/// Each byte becomes at most four, and one more ends them.
const GROWTH: usize = 4;

fn convert(function: *mut pg_sys::FmgrInfo, (from, to): (pg_enc::Type, pg_enc::Type), bytes: &[u8]) -> Converted {
    let mut into = vec![0u8; bytes.len() * GROWTH + 1];
    // SAFETY: a conversion function reads as many bytes as it is told, writes no more than the room that every conversion
    // has, ends them with a zero, and stops without an error at what it cannot convert.
    let used = unsafe {
        pg_sys::FunctionCall6Coll(
            function,
            Oid::INVALID,
            Datum::from(from as i32),
            Datum::from(to as i32),
            Datum::from(bytes.as_ptr()),
            Datum::from(into.as_mut_ptr()),
            Datum::from(bytes.len() as i32),
            Datum::from(true),
        )
    };
    let end = into.iter().position(|byte| *byte == 0).unwrap_or(into.len());
    into.truncate(end);
    Converted { bytes: into, used: usize::try_from(used.value() as i32).unwrap_or(0) }
}

/// The character that stands for a byte from 0x80 on, in the last plane of those for private use.
fn escape(byte: u8) -> char {
    char::from_u32(FIRST_ESCAPE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for.
fn escaped(letter: char) -> Option<u8> {
    u32::from(letter).checked_sub(FIRST_ESCAPE).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte >= 0x80)
}

const FIRST_ESCAPE: u32 = 0x10_ff00;

fn decode(bytes: &[u8], converter: fn() -> Option<Converter>) -> String {
    if bytes.is_ascii() || takes_utf8() {
        return decode_bytes(bytes);
    }
    match converter() {
        None => bytes.iter().copied().map(escape_unless_ascii).collect(),
        Some(converter) => converter.round_trip(bytes).unwrap_or_else(|| decode_letters(converter, bytes)),
    }
}

/// What is UTF-8 is taken for that; all else is escaped, and what could be taken for something escaped, too.
fn decode_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match escaped(letter) {
                None => text.push(letter),
                Some(_) => text.extend(letter.encode_utf8(&mut [0; 4]).bytes().map(escape)),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(escape));
    }
    text
}

fn decode_letters(converter: Converter, mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let (letter, rest) = bytes.split_at(converter.letter_length(bytes));
        match converter.round_trip(letter) {
            Some(letter) => text.push_str(&letter),
            None => text.extend(letter.iter().copied().map(escape_unless_ascii)),
        }
        bytes = rest;
    }
    text
}

fn escape_unless_ascii(byte: u8) -> char {
    if byte.is_ascii() { char::from(byte) } else { escape(byte) }
}

/// What is done about a letter that the server's encoding has not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lacking {
    Raise,
    Replace,
}

impl Lacking {
    fn found(self, letter: char, bytes: &mut Vec<u8>) {
        if self == Lacking::Raise {
            refuse(letter);
        }
        bytes.push(b'?');
    }
}

fn encode(text: &str, lacking: Lacking, converter: fn() -> Option<Converter>) -> Vec<u8> {
    if text.is_ascii() {
        return text.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    // Letters between escapes are converted together.
    while let Some((at, letter, byte)) = first_escape(rest) {
        encode_letters(&rest[..at], lacking, converter, &mut bytes);
        bytes.push(byte);
        rest = &rest[at + letter.len_utf8()..];
    }
    encode_letters(rest, lacking, converter, &mut bytes);
    if first_escape(text).is_some() && !is_valid(&bytes, lacking) {
        // Somebody has written the escape itself.
        bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    }
    bytes
}

fn first_escape(text: &str) -> Option<(usize, char, u8)> {
    text.char_indices().find_map(|(at, letter)| Some((at, letter, escaped(letter)?)))
}

fn encode_letters(mut letters: &str, lacking: Lacking, converter: fn() -> Option<Converter>, bytes: &mut Vec<u8>) {
    if letters.is_ascii() || takes_utf8() {
        bytes.extend_from_slice(letters.as_bytes());
        return;
    }
    let converter = converter();
    while let Some(first) = letters.chars().next() {
        let used = match converter {
            None if first.is_ascii() => {
                bytes.push(first as u8);
                1
            }
            None => 0,
            Some(converter) => {
                let converted = converter.encode(letters.as_bytes());
                bytes.extend_from_slice(&converted.bytes);
                converted.used.min(letters.len())
            }
        };
        letters = &letters[used..];
        if used == 0 {
            lacking.found(first, bytes);
            letters = &letters[first.len_utf8()..];
        }
    }
}

/// Whether bytes are letters of the server's encoding; raises PostgreSQL's error (22021) where that is wanted.
fn is_valid(bytes: &[u8], lacking: Lacking) -> bool {
    let (encoding, silent) = (encoding() as c_int, lacking == Lacking::Replace);
    // SAFETY: it reads these bytes alone.
    unsafe { pg_sys::pg_verify_mbstr(encoding, bytes.as_ptr().cast(), bytes.len() as c_int, silent) }
}

/// Raises PostgreSQL's error (22P05) for a letter that the server's encoding has not.
fn refuse(letter: char) {
    let text = letter.to_string();
    let (from, to) = (pg_enc::PG_UTF8 as c_int, encoding() as c_int);
    // SAFETY: it reads the letter alone, and raises.
    unsafe { pg_sys::report_untranslatable_char(from, to, text.as_ptr().cast(), text.len() as c_int) }
}
