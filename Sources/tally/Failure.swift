import ArgumentParser
import TallyConfig
import TallyCore
import TallyExchange
import TallyFlush
import TallyServer
import TallySQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The exit codes of the contract (those of sysexits.h where it has one).
enum ExitStatus {
    static let checkFailed: Int32 = 1
    static let usage: Int32 = 64
    static let unavailable: Int32 = 69
    static let configuration: Int32 = 78
}

/// Runs a command's body and turns what it throws into a line on standard error and an exit code.
func reporting(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as SettingsError {
        throw fail(error.description, ExitStatus.configuration)
    } catch let error as StartError {
        throw fail(error.description, error.code == .configuration ? ExitStatus.configuration : ExitStatus.unavailable)
    } catch let error as FlushError {
        let isConfiguration = error.bufferError?.code == .ownedByAnother
        throw fail(error.description, isConfiguration ? ExitStatus.configuration : ExitStatus.unavailable)
    } catch let error as StoreError {
        throw fail(error.description, ExitStatus.unavailable)
    } catch let error as BufferError {
        throw fail(error.description, error.code == .ownedByAnother ? ExitStatus.configuration : ExitStatus.unavailable)
    } catch let error as RecordFileError {
        throw fail(error.description, error.code == .unreadable ? ExitStatus.usage : ExitStatus.checkFailed)
    } catch let error as EmbeddedDatabaseError {
        let isUsage = error.code == .taken || error.code == .missing
        throw fail(error.description, isUsage ? ExitStatus.usage : ExitStatus.unavailable)
    }
}

private func fail(_ text: String, _ status: Int32) -> ExitCode {
    printError("tally: \(text)")
    return ExitCode(status)
}

/// Prints a line to standard error.
func printError(_ text: String) { writeAll(text + "\n", to: STDERR_FILENO) }

/// Prints a line to standard output at once, also where that is a file or a pipe.
func printNow(_ text: String) { writeAll(text + "\n", to: STDOUT_FILENO) }

/// Writes text for a person; where nobody takes it, that is no error.
func writeAll(_ text: String, to descriptor: Int32) { try? writeAll(Array(text.utf8), to: descriptor) }

/// - Throws: `StartError` where what stands behind the descriptor does not take it all.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes { bytes in
            write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else {
            throw StartError(.unavailable, "cannot write the output: \(String(cString: strerror(errno)))")
        }
        written += count
    }
}

/// Whether standard output is a terminal, and so a person.
var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
