import TallyCore

/// Takes a line of CSV apart. A cell with a line break would be a name with one, which no counter has, so a line is a
/// record.
///
/// - Source: RFC 4180, https://www.rfc-editor.org/rfc/rfc4180
enum CSVLine {
    /// - Returns: nil where a quotation mark stands where it may not.
    static func cells(_ line: ArraySlice<UInt8>) -> [[UInt8]]? {
        let quote = UInt8(ascii: "\"")
        let comma = UInt8(ascii: ",")
        var cells: [[UInt8]] = []
        var rest = line
        while true {
            var cell: [UInt8] = []
            if rest.first == quote {
                rest = rest.dropFirst()
                while true {
                    guard let end = rest.firstIndex(of: quote) else { return nil }
                    cell += rest[..<end]
                    rest = rest[(end + 1)...]
                    guard rest.first == quote else { break }
                    cell.append(quote)
                    rest = rest.dropFirst()
                }
                guard rest.isEmpty || rest.first == comma else { return nil }
            } else {
                let end = rest.firstIndex(of: comma) ?? rest.endIndex
                cell += rest[..<end]
                guard !cell.contains(quote) else { return nil }
                rest = rest[end...]
            }
            cells.append(cell)
            guard rest.first == comma else { return cells }
            rest = rest.dropFirst()
        }
    }
}

/// The columns of a file, from its first line.
struct CSVHeader {
    private let fields: [RecordField]

    init(fields: [RecordField]) { self.fields = fields }

    /// Reads the first line.
    /// - Returns: what is wrong with it, where something is.
    static func read(_ line: ArraySlice<UInt8>, needsClient: Bool) -> Result<CSVHeader, RecordFileError> {
        guard let cells = CSVLine.cells(line) else {
            return .failure(.malformed("the first line is not CSV; it names the columns: \(RecordField.list)"))
        }
        var fields: [RecordField] = []
        for cell in cells {
            let text = String(decoding: cell, as: UTF8.self)
            guard let field = RecordField(cell) else {
                return .failure(
                    .malformed("the first line names a column \"\(text)\"; known are \(RecordField.list)"))
            }
            guard !fields.contains(field) else {
                return .failure(.malformed("the first line names the column \(text) twice"))
            }
            fields.append(field)
        }
        let needed: [RecordField] = [.test, .variation, .count] + (needsClient ? [.client] : [])
        let missing = needed.filter { !fields.contains($0) }.map(\.rawValue)
        guard missing.isEmpty else {
            return .failure(
                .malformed(
                    "the first line names no column \(missing.joined(separator: ", "))"
                        + (missing == [RecordField.client.rawValue] ? "; or say --client for all lines" : "")))
        }
        return .success(CSVHeader(fields: fields))
    }

    func read(_ line: ArraySlice<UInt8>, client: Name?) -> RecordLine {
        guard let cells = CSVLine.cells(line) else {
            return .faults([
                "a quotation mark is not closed, or stands within a cell; a cell with one is written \"with \"\"two\"\"\""
            ])
        }
        guard cells.count == self.fields.count else {
            return .faults(["\(cells.count) cells where the first line names \(self.fields.count) columns"])
        }
        var given = GivenRecord()
        for (field, cell) in zip(self.fields, cells) {
            // An empty cell is no value: the event is then the default one, the hour is not known.
            if !cell.isEmpty { given[field] = .text(cell) }
        }
        return given.checked(client: client)
    }
}
