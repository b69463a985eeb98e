//! The program: arguments, log, run, exit code.

fn main() -> std::process::ExitCode {
    pobsync::cli::main()
}
