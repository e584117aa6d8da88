import TallyCore
import TallyServer

// `stdout` is a variable, in name only: nobody sets it.
#if canImport(Glibc)
@preconcurrency import Glibc
#elseif canImport(Darwin)
@preconcurrency import Darwin
#endif

/// Opens what whoever started this has closed of standard input, output and error. Their numbers would go to whatever
/// is opened next, such as a connection, and what is printed into that.
func openStandardStreams() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
        // It takes the lowest number that is free.
        _ = open("/dev/null", O_RDWR)
    }
}

/// Prints a line to standard error.
func printError(_ text: String) { writeText(text + "\n", to: STDERR_FILENO) }

/// Prints a line to standard output at once, also where that is a file or a pipe.
func printNow(_ text: String) { writeText(text + "\n", to: STDOUT_FILENO) }

/// Writes text for a person; where nobody takes it, that is no error.
func writeText(_ text: String, to descriptor: Int32) { _ = writeAll(Array(text.utf8), to: descriptor) }

/// Writes what was asked for to standard output.
/// - Throws: `StartError` where what stands behind it does not take it all.
func writeOutput(_ bytes: [UInt8]) throws {
    guard writeAll(bytes, to: STDOUT_FILENO) else { throw outputFault() }
}

/// Writes what `print` keeps back, so that numbers that found no room are no success.
/// - Throws: `StartError` where what stands behind standard output does not take it all, or has not before.
func finishOutput() throws {
    guard fflush(stdout) == 0, ferror(stdout) == 0 else { throw outputFault() }
}

private func outputFault() -> StartError {
    StartError(.unavailable, "cannot write the output: \(String(cString: strerror(errno)))")
}

/// Whether standard output is a terminal, and so a person.
var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
