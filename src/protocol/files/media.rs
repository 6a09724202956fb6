//! Media types by the endings of file names.

/// Endings, sorted, and what they stand for. Text is UTF-8: what else is there today.
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apng", "image/apng"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml; charset=utf-8"),
    ("tar", "application/x-tar"),
    ("text", "text/plain; charset=utf-8"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml; charset=utf-8"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of a file of this name, by its ending in any case; bytes of no known kind if it tells nothing.
#[must_use]
pub fn media_type(path: &[u8]) -> &'static str {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let ending = name.iter().rposition(|byte| *byte == b'.').map_or(&[][..], |dot| &name[dot + 1..]);
    let ending = ending.to_ascii_lowercase();
    let found = TYPES.binary_search_by(|(known, _)| known.as_bytes().cmp(&ending));
    found.map_or("application/octet-stream", |index| TYPES[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        assert!(TYPES.is_sorted_by(|one, other| one.0 < other.0));
        let text = |ending: &str| matches!(ending.split('/').next(), Some("text"));
        assert!(TYPES.iter().all(|(_, media)| media.ends_with("; charset=utf-8") || !text(media)));
        let rows: &[(&str, &str)] = &[
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.c/INDEX.HTML", "text/html; charset=utf-8"),
            ("a.min.js", "text/javascript; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("a.woff2", "font/woff2"),
            ("7z.7z", "application/x-7z-compressed"),
            ("html", "application/octet-stream"),
            ("a.html/b", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("a.exe", "application/octet-stream"),
            ("", "application/octet-stream"),
        ];
        for (path, media) in rows {
            assert_eq!(media_type(path.as_bytes()), *media, "{path}");
        }
        assert_eq!(media_type(b"\xff.\xff"), "application/octet-stream");
    }
}
