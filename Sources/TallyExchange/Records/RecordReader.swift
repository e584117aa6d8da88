import TallyCore

/// Reads the records of a file: CSV where its first line names columns, NDJSON where it begins with `{`.
struct RecordReader: ~Copyable {
    private enum Form {
        case csv(CSVHeader)
        case ndjson
    }

    private var file: LineFile
    private let client: Name?
    private var form: Form?

    /// - Parameter client: whose counts they are, whatever the file says.
    init(_ path: String, client: Name?) throws(RecordFileError) {
        self.file = try LineFile(path)
        self.client = client
    }

    /// Of the line given last, from 1.
    var number: Int { self.file.number }

    /// The next line that is not blank; nil at the end.
    mutating func next() throws(RecordFileError) -> RecordLine? {
        while let line = try self.file.next() {
            guard line.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) else { continue }
            switch self.form {
            case .csv(let header): return header.read(line, client: self.client)
            case .ndjson: return NDJSONLine.read(line, client: self.client)
            case nil where line.first == UInt8(ascii: "{"):
                self.form = .ndjson
                return NDJSONLine.read(line, client: self.client)
            case nil: self.form = .csv(try CSVHeader.read(line, needsClient: self.client == nil).get())
            }
        }
        return nil
    }
}
