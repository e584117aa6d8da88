import GRDB
import GRDBSQLite
import TallyCore

/// A prepared statement, driven through SQLite's C interface. The one file that does so.
///
/// Rows here are small and many; boxing each value on its way in and out would cost more than the row.
/// To be used on the connection's own queue only, and not while it is being stepped through elsewhere.
struct SQLStatement {
    /// Owns the C pointer, which is finalized with it.
    private let owner: Statement
    private let pointer: OpaquePointer

    /// Takes the statement from the connection's cache, or prepares it.
    init(_ db: Database, _ sql: String) throws {
        self.owner = try db.cachedStatement(sql: sql)
        self.pointer = self.owner.sqliteStatement
        // The cache's last user may have left on an error.
        sqlite3_reset(self.pointer)
    }

    /// Binds bytes that must stay where they are until the statement has run: they are not copied.
    /// - Parameter index: from 1.
    @inline(__always)
    func bind(_ index: Int32, _ text: UnsafeRawBufferPointer) {
        sqlite3_bind_text(
            self.pointer, index, text.baseAddress?.assumingMemoryBound(to: CChar.self),
            Int32(truncatingIfNeeded: text.count), nil)
    }

    /// Binds a copy of the text.
    func bind(_ index: Int32, _ text: String) {
        var text = text
        text.withUTF8 { bytes in
            // SQLITE_TRANSIENT, which is -1 cast to a function pointer in C and has no name here.
            let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            bytes.withMemoryRebound(to: CChar.self) { characters in
                _ = sqlite3_bind_text(
                    self.pointer, index, characters.baseAddress, Int32(truncatingIfNeeded: characters.count), transient)
            }
        }
    }

    func bind(_ index: Int32, _ name: Name) { self.bind(index, name.string) }

    @inline(__always)
    func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(self.pointer, index, value) }

    /// Runs a statement that gives no rows. Returns how many rows it changed.
    @discardableResult
    func run() throws -> Int {
        defer { sqlite3_reset(self.pointer) }
        while try self.step() {}
        return Int(sqlite3_changes(sqlite3_db_handle(self.pointer)))
    }

    /// The first row, read by `body`; nil where there is none.
    func first<Result>(_ body: (SQLRow) throws -> Result) throws -> Result? {
        defer { sqlite3_reset(self.pointer) }
        return try self.step() ? try body(SQLRow(pointer: self.pointer)) : nil
    }

    /// Calls `body` for every row.
    func forEach(_ body: (SQLRow) throws -> Void) throws {
        defer { sqlite3_reset(self.pointer) }
        while try self.step() { try body(SQLRow(pointer: self.pointer)) }
    }

    /// Calls `body` for every row, up to the one for which it returns false.
    func walk(_ body: (SQLRow) throws -> Bool) throws {
        defer { sqlite3_reset(self.pointer) }
        while try self.step(), try body(SQLRow(pointer: self.pointer)) {}
    }

    @inline(__always)
    private func step() throws -> Bool {
        let code = sqlite3_step(self.pointer)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        throw DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: sqlite3_errmsg(sqlite3_db_handle(self.pointer)).map { String(cString: $0) })
    }
}

/// The row that a statement stands on; valid until its next step. Columns count from 0.
struct SQLRow {
    fileprivate let pointer: OpaquePointer

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(self.pointer, column) }

    func integerOrNil(_ column: Int32) -> Int64? {
        sqlite3_column_type(self.pointer, column) == SQLITE_NULL ? nil : self.integer(column)
    }

    /// Exactly the bytes that were bound; nil for NULL.
    func textOrNil(_ column: Int32) -> String? {
        // The text first, then its length: the other way round the length may be that of another encoding.
        guard let text = sqlite3_column_text(self.pointer, column) else { return nil }
        let length = Int(sqlite3_column_bytes(self.pointer, column))
        return String(decoding: UnsafeBufferPointer(start: text, count: length), as: UTF8.self)
    }

    func text(_ column: Int32) -> String { self.textOrNil(column) ?? "" }

    func name(_ column: Int32) -> Name { Name(self.text(column)) }
}
