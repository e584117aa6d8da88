import ArgumentParser
import TallyConfig
import TallyCore
import TallyExchange
import TallyFlush
import TallyServer
import TallySQLite

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
        throw fail(error.description, error.code == .configuration ? ExitStatus.configuration : ExitStatus.unavailable)
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
