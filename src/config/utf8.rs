use std::string::FromUtf8Error;

/// The position of the first invalid UTF-8 in a file, as editors count lines, and what to do about it.
pub(crate) fn not_utf8(error: &FromUtf8Error) -> (usize, String) {
    let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
    let line = 1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let what =
        format!("expected text in UTF-8, found the byte 0x{byte:02X}; save the file as UTF-8");
    (line, what)
}
