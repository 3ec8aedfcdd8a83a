//! The browser-facing API as a process of its own.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    web::process::main("latchkey-fapi", domain::Surface::Fapi, fapi::routes)
}
