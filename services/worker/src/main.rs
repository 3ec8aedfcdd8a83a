//! The worker as a process of its own.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    boot::process::main("latchkey-worker", |config| Ok(worker::serve(config)?))
}
