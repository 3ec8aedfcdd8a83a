//! The command `latchkey`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    boot::process::install_crypto();
    latchkey::main()
}
