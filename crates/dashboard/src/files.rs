//! The files of the page's build.

use std::borrow::Cow;

use rust_embed::{EmbeddedFile, RustEmbed};

use crate::encoding::Encoding;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[exclude = ".*"]
#[allow_missing = true]
struct Build;

/// Where files have a hash of their content in their name.
const ASSETS: &str = "/assets/";

/// How long a client may use a file without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Forever,
    UntilNextBuild,
}

/// A file as it is sent.
pub(crate) struct File {
    pub(crate) content: Cow<'static, [u8]>,
    pub(crate) media_type: String,
    /// Says which content this is, in quotes, as `ETag` does.
    pub(crate) tag: String,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) lifetime: Lifetime,
}

impl File {
    /// The page of a program without a build.
    pub(crate) fn not_built(content: &'static [u8]) -> Self {
        Self {
            content: Cow::Borrowed(content),
            media_type: "text/html; charset=utf-8".to_owned(),
            tag: concat!("\"not-built-", env!("CARGO_PKG_VERSION"), "\"").to_owned(),
            encoding: None,
            lifetime: Lifetime::UntilNextBuild,
        }
    }
}

/// The file at a path of the server, in the first of the encodings that it was stored in.
pub(crate) fn find(path: &str, mut encodings: impl Iterator<Item = Encoding>) -> Option<File> {
    let name = path.strip_prefix('/')?;
    let plain = Build::get(name)?;
    let media_type = match plain.metadata.mimetype() {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    };
    let stored = |encoding: Encoding| Some((Build::get(&format!("{name}{}", encoding.suffix()))?, encoding));
    let (file, encoding) = match encodings.find_map(stored) {
        Some((file, encoding)) => (file, Some(encoding)),
        None => (plain, None),
    };
    let tag = tag(&file);
    let lifetime = if is_asset(path) { Lifetime::Forever } else { Lifetime::UntilNextBuild };
    Some(File { content: file.data, media_type, tag, encoding, lifetime })
}

/// Whether a path leads to where files have a hash of their content in their name.
pub(crate) fn is_asset(path: &str) -> bool {
    path.starts_with(ASSETS)
}

fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let (digest, _) = hash.split_first_chunk().expect("a SHA-256 has 32 bytes");
    format!("\"{:032x}\"", u128::from_be_bytes(*digest))
}
