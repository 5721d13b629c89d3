fn main() {
    // The SQL of the extension is read from sections of the library that nothing refers to.
    println!("cargo::rustc-link-arg-cdylib=-Wl,--no-gc-sections");
}
