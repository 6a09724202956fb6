//! Values of options as text: numbers, sizes, times, switches and lists.

pub(super) const K: u64 = 1024;
pub(super) const M: u64 = K * K;
pub(super) const G: u64 = K * M;
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn number(text: &str, least: u64, most: u64) -> Option<u64> {
    // `parse` alone would take a sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok()? } else { return None };
    (least..=most).contains(&number).then_some(number)
}

fn with_unit(text: &str, units: &[(&str, u64)], least: u64, most: u64) -> Option<u64> {
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))?;
    let number = number(digits, 0, u64::MAX)?.checked_mul(factor)?;
    (least..=most).contains(&number).then_some(number)
}

pub(super) fn bytes(text: &str, least: u64, most: u64) -> Option<u64> {
    with_unit(text, &[("K", K), ("M", M), ("G", G), ("k", K), ("m", M), ("g", G), ("", 1)], least, most)
}

pub(super) fn milliseconds(text: &str, least: u64, most: u64) -> Option<u64> {
    with_unit(text, &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000)], least, most)
}

pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Permissions of a file, as `chmod` takes them: in octal.
pub(super) fn permissions(text: &str) -> Option<u32> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = if is_octal { u32::from_str_radix(text, 8).ok()? } else { return None };
    (bits <= 0o777).then_some(bits)
}

/// The name of a user or a group, or a number.
pub(super) fn is_account(text: &str) -> bool {
    text.len() <= 256 && !text.bytes().any(|byte| byte.is_ascii_control() || byte == b':')
}

/// The most entries of a list.
pub(super) const LIST_MAX: usize = 64;

pub(super) fn list(text: &str, is_one: fn(&str) -> bool) -> Option<Vec<String>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let entries: Vec<String> = text.split(',').map(|entry| entry.trim().to_owned()).collect();
    (entries.len() <= LIST_MAX && entries.iter().all(|entry| is_one(entry))).then_some(entries)
}

pub(super) fn in_bytes(number: u64) -> String {
    match number {
        0 => "0".to_owned(),
        n if n % G == 0 => format!("{}G", n / G),
        n if n % M == 0 => format!("{}M", n / M),
        n if n % K == 0 => format!("{}K", n / K),
        n => n.to_string(),
    }
}
