// Foundation for files and folders alone.
import Foundation
import GRDB
import TallyCore
import TallyTestSupport
import Testing

@testable import TallySQLite

@Suite("The embedded file")
struct EmbeddedDatabaseTests {
    private let directory = TemporaryDirectory()

    private func codeOfOpening(_ path: String) -> EmbeddedDatabaseError.Code? {
        do {
            _ = try EmbeddedDatabase(directory: path)
            return nil
        } catch {
            #expect(error.description.contains(self.directory.path))
            return error.code
        }
    }

    private func permissions(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? NSNumber).intValue
    }

    @Test("is created with its directories, for their owner alone")
    func createsPrivately() throws {
        #expect(!EmbeddedDatabase.exists(in: self.directory.path + "/a/b"))
        let database = try EmbeddedDatabase(directory: self.directory.path + "/a/b/")
        #expect(EmbeddedDatabase.exists(in: self.directory.path + "/a/b"))
        #expect(try self.permissions(self.directory.path + "/a") == 0o700)
        #expect(try self.permissions(database.path) == 0o600)
        #expect(try self.permissions(database.path + "-wal") == 0o600)
    }

    @Test("is written with a log, and every commit is synced")
    func durability() throws {
        let database = try EmbeddedDatabase(directory: self.directory.path)
        let settings = try database.pool.writeWithoutTransaction { db in
            try ["journal_mode", "synchronous"].map { try String.fetchOne(db, sql: "PRAGMA \($0)") }
        }
        #expect(settings == ["wal", "2"])
    }

    @Test("keeps its own name over openings, and no two have the same")
    func storeID() throws {
        let id = try EmbeddedDatabase(directory: self.directory.path).storeID
        #expect(id.count == 32)
        #expect(try EmbeddedDatabase(directory: self.directory.path).storeID == id)
        #expect(try EmbeddedDatabase(directory: self.directory.path + "/other").storeID != id)
    }

    @Test("is refused where the file is something else")
    func notADatabase() throws {
        try FileManager.default.createDirectory(atPath: self.directory.path, withIntermediateDirectories: true)
        let path = self.directory.path + "/" + EmbeddedDatabase.fileName
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
        #expect(self.codeOfOpening(self.directory.path) == .notADatabase)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(repeating: 0x41, count: 8192))
    }

    @Test("is refused where the file is another program's database")
    func anotherProgram() throws {
        try FileManager.default.createDirectory(atPath: self.directory.path, withIntermediateDirectories: true)
        let other = try DatabaseQueue(path: self.directory.path + "/" + EmbeddedDatabase.fileName)
        try other.write { try $0.execute(sql: "CREATE TABLE player (id INTEGER)") }
        try other.close()
        #expect(self.codeOfOpening(self.directory.path) == .notADatabase)
    }

    @Test("is refused where a newer version has changed its tables")
    func newerSchema() throws {
        let database = try EmbeddedDatabase(directory: self.directory.path)
        try database.pool.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9 of the future')") }
        try database.close()
        #expect(self.codeOfOpening(self.directory.path) == .newerSchema)
    }

    @Test("is refused where its directory cannot be made")
    func notWritable() throws {
        try Data().write(to: URL(fileURLWithPath: self.directory.path))
        #expect(self.codeOfOpening(self.directory.path) == .notWritable)
        #expect(self.codeOfOpening(self.directory.path + "/below") == .notWritable)
    }

    @Test("is opened by many at once while it is new")
    func openedAtOnce() async throws {
        let path = self.directory.path
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { try EmbeddedDatabase(directory: path).storeID } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
    }

    @Test("answers with errors once it is closed")
    func closed() async throws {
        let database = try EmbeddedDatabase(directory: self.directory.path)
        let buffer = SQLiteBuffer(database: database, kind: "embedded", storeIsElsewhere: false)
        let lane = try await TestLane.on(buffer)
        try database.close()
        #expect(try await lane.send(CountBatch(Hit())).notCounted?.code == .unavailable)
        await #expect(throws: BufferError.self) { try await buffer.seal() }
        await #expect(throws: BufferError.self) { try await buffer.ping() }
        await #expect(throws: StoreError.self) { try await SQLiteStore(database: database, logger: .silent).ping() }
    }

    @Test(
        "counts as uncertain only where the commit itself met an I/O error",
        arguments: [
            (ResultCode.SQLITE_IOERR_FSYNC, true, true), (.SQLITE_IOERR_WRITE, true, true),
            (.SQLITE_IOERR_FSYNC, false, false), (.SQLITE_FULL, true, false), (.SQLITE_BUSY, true, false),
        ])
    func uncertainty(code: ResultCode, duringCommit: Bool, mayBeKept: Bool) {
        let failure = TransactionFailure(DatabaseError(resultCode: code), duringCommit: duringCommit)
        #expect(failure.mayBeKept == mayBeKept)
    }
}
