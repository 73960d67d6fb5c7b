//! Has the crate compiled anew when the page was built anew. The page itself is built by `cargo xtask web`, never here.

fn main() {
    // Cargo takes a missing path for a changed one, and would compile the crate each time.
    let is_built = std::path::Path::new("web/dist").exists();
    println!("cargo::rerun-if-changed={}", if is_built { "web/dist" } else { "web" });
}
