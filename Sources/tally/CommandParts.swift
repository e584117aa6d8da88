import ArgumentParser
import Logging
import NIOPosix
import TallyCore
import TallyServer

// What several commands are made of.

/// For people, or for scripts.
enum TableOrJSON: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

/// Opens buffer and store for a command, and closes them after it. `body` also gets a logger that is quiet but for
/// warnings.
func withStorage(_ options: SettingOptions, _ body: (Storage, Logger) async throws -> Void) async throws {
    let settings = try options.load()
    var logger = Logger(settings)
    logger.logLevel = max(logger.logLevel, .warning)
    let storage = try Storage(
        settings, opensSpool: false, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
    do {
        try await body(storage, logger)
    } catch {
        await storage.shutdown()
        throw error
    }
    await storage.shutdown()
}

/// The same for those who log nothing themselves.
func withStorage(_ options: SettingOptions, _ body: (Storage) async throws -> Void) async throws {
    try await withStorage(options) { storage, _ in try await body(storage) }
}

/// - Throws: `ValidationError`, where it is no client's name.
func validateClient(_ name: String) throws {
    if let fault = NameRules.faultInClient(Array(name.utf8)) { throw ValidationError("the client's name \(fault)") }
}

/// Says that a client has no numbers, and gives the exit code for it.
func nothingFlushed(for client: String) -> ExitCode {
    printError("tally: nothing was ever flushed for client \(client); counts show after the next flush")
    return ExitCode(ExitStatus.checkFailed)
}
