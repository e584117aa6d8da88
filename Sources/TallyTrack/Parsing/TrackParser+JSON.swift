extension TrackParser {
    /// What a body of JSON turned out to be.
    private enum Document {
        case single(GivenParameters)
        case batch(itemCount: Int)
        case tooManyItems
        case neitherObjectNorArray
    }

    private enum ItemOutcome { case read, tooMany }

    /// Reads a body that is one JSON text.
    mutating func readJSON(
        _ bytes: UnsafeRawBufferPointer, query: GivenParameters
    ) throws(TrackRejection) -> TrackShape {
        let document: Document
        do throws(JSONError) {
            document = try self.readDocument(bytes, query: query)
        } catch {
            throw Self.rejection(error, in: bytes, hasLines: false)
        }
        switch document {
        case .single(let given): return try self.finishSingle(given)
        case .batch(let itemCount): return try self.finishBatch(itemCount: itemCount)
        case .tooManyItems: throw Self.tooManyItems
        case .neitherObjectNorArray:
            throw TrackRejection(
                status: 400,
                detail: "the body must be a JSON object, or an array of at most \(Self.maximumItems) of them")
        }
    }

    private mutating func readDocument(
        _ bytes: UnsafeRawBufferPointer, query: GivenParameters
    ) throws(JSONError) -> Document {
        let start = try Self.startOfText(bytes)
        var scanner = JSONScanner(bytes, range: start..<bytes.count)
        scanner.skipWhitespace()
        let document: Document
        switch scanner.peek() {
        case UInt8(ascii: "{"):
            var given = query
            try JSONItem.read(&scanner, takesCount: false, into: &given, values: &self.values, faults: &self.faults)
            document = .single(given)
        case UInt8(ascii: "["):
            self.checkShared(query)
            try scanner.open()
            var index = 0
            while try scanner.nextElement(isFirst: index == 0) {
                guard try self.readItem(&scanner, index: index, line: nil, query: query) == .read else {
                    return .tooManyItems
                }
                index += 1
            }
            document = .batch(itemCount: index)
        default:
            _ = try scanner.skipValue()
            document = .neitherObjectNorArray
        }
        try scanner.expectEnd()
        return document
    }

    /// Reads a body of lines, each of them one JSON object; blank ones are passed over.
    mutating func readLines(
        _ bytes: UnsafeRawBufferPointer, query: GivenParameters
    ) throws(TrackRejection) -> TrackShape {
        self.checkShared(query)
        var index = 0
        var line = 1
        var outcome = ItemOutcome.read
        do throws(JSONError) {
            let start = try Self.startOfText(bytes)
            var scanner = JSONScanner(bytes, range: start..<bytes.count, hasLines: true)
            repeat {
                // The carriage return of a line that ends with both is whitespace in JSON.
                scanner.skipWhitespace()
                if !scanner.isAtEndOfLine {
                    outcome = try self.readItem(&scanner, index: index, line: line, query: query)
                    if outcome == .tooMany { break }
                    index += 1
                }
                line += 1
            } while try scanner.nextLine()
        } catch {
            throw Self.rejection(error, in: bytes, hasLines: true)
        }
        if outcome == .tooMany { throw Self.tooManyItems }
        return try self.finishBatch(itemCount: index)
    }

    /// Reads one item of a batch: an object, or else a fault.
    private mutating func readItem(
        _ scanner: inout JSONScanner, index: Int, line: Int?, query: GivenParameters
    ) throws(JSONError) -> ItemOutcome {
        // Stops here, so that a refused body costs no more than one that is taken.
        guard index < Self.maximumItems else { return .tooMany }
        self.faults.enterItem(index, line: line)
        guard scanner.peek() == UInt8(ascii: "{") else {
            _ = try scanner.skipValue()
            self.faults.add(nil, "must be a JSON object")
            return .read
        }
        let mark = self.values.count
        var given = GivenParameters()
        try JSONItem.read(&scanner, takesCount: true, into: &given, values: &self.values, faults: &self.faults)
        self.addItem(given, shared: query)
        self.values.removeLast(self.values.count - mark)
        return .read
    }

    /// Where JSON begins, behind a byte order mark if there is one, in bytes that are UTF-8 throughout.
    private static func startOfText(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> Int {
        if let offset = UTF8Check.firstFault(in: bytes) { throw JSONError(offset: offset, expected: "UTF-8") }
        let hasMark = bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
        return hasMark ? 3 : 0
    }

    private static var tooManyItems: TrackRejection {
        TrackRejection(status: 400, detail: "at most \(Self.maximumItems) items; split it")
    }

    private static func rejection(
        _ error: JSONError, in bytes: UnsafeRawBufferPointer, hasLines: Bool
    ) -> TrackRejection {
        var detail = "broken JSON: expected \(error.expected) at byte \(error.offset)"
        if hasLines {
            let line = bytes.prefix(error.offset).reduce(1) { $1 == 0x0A ? $0 + 1 : $0 }
            detail += " of the body, in line \(line)"
        }
        if error.offset == bytes.count {
            detail += ", where the body ends"
        } else if hasLines, bytes[error.offset] == 0x0A {
            detail += ", where the line ends"
        }
        return TrackRejection(status: 400, detail: detail)
    }
}
