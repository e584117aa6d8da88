public import TallyCore

/// One line of an exported file: what was counted of one counter, in one hour.
public struct CountRecord: Hashable, Sendable {
    public let client: Name
    public let test: Name
    public let variation: Name
    public let event: Name
    /// Nil where the file does not say; the import then chooses one.
    public let hour: Hour?
    /// From 1.
    public let count: Int64

    /// The largest count of one record, in a file: every reader of JSON takes it exactly (RFC 8259, section 6).
    public static let maximumCount: Int64 = 9_007_199_254_740_991

    public init(client: Name, test: Name, variation: Name, event: Name, hour: Hour?, count: Int64) {
        self.client = client
        self.test = test
        self.variation = variation
        self.event = event
        self.hour = hour
        self.count = count
    }
}

/// The names of a record's parts in a file: columns of CSV, keys of JSON. Those of /track, and the hour.
enum RecordField: String, CaseIterable {
    case client = "clientName"
    case test = "testID"
    case variation
    case event
    case hour
    case count

    init?(_ bytes: some Collection<UInt8>) {
        guard let field = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(bytes) }) else { return nil }
        self = field
    }

    static var list: String { self.allCases.map(\.rawValue).joined(separator: ", ") }
}

/// What a line gives, before it is checked.
struct GivenRecord {
    enum Value: Equatable {
        case text([UInt8])
        case number(Int64)
        /// Something else than this field takes.
        case wrong
    }

    private var values = [Value?](repeating: nil, count: RecordField.allCases.count)

    /// Places of the fields in `values`.
    private static func place(_ field: RecordField) -> Int {
        switch field {
        case .client: 0
        case .test: 1
        case .variation: 2
        case .event: 3
        case .hour: 4
        case .count: 5
        }
    }

    subscript(field: RecordField) -> Value? {
        get { self.values[Self.place(field)] }
        set { self.values[Self.place(field)] = newValue }
    }

    /// The record, or all that is wrong with it.
    /// - Parameter client: whose counts they are, whatever the line says.
    func checked(client forced: Name?) -> RecordLine {
        var faults: [String] = []
        func name(_ field: RecordField, standard: Name? = nil) -> Name? {
            switch self[field] {
            case nil:
                if let standard { return standard }
                faults.append(
                    "\(field.rawValue) is missing" + (field == .client ? "; or say --client for all lines" : ""))
            case .text(let bytes):
                let fault = field == .client ? NameRules.faultInClient(bytes) : NameRules.faultInName(bytes)
                if fault == nil { return Name(utf8: bytes) }
                faults.append("\(field.rawValue) \(fault ?? "")")
            case .number, .wrong: faults.append("\(field.rawValue) is not text")
            }
            return nil
        }
        let client = forced ?? name(.client)
        let test = name(.test)
        let variation = name(.variation)
        let event = name(.event, standard: .view)
        let hour = self.hour(&faults)
        let count = self.count(&faults)
        guard faults.isEmpty, let client, let test, let variation, let event, let count else { return .faults(faults) }
        return .record(
            CountRecord(client: client, test: test, variation: variation, event: event, hour: hour, count: count))
    }

    private func hour(_ faults: inout [String]) -> Hour? {
        guard let given = self[.hour] else { return nil }
        if case .text(let bytes) = given, let moment = Timestamp.parse(iso8601: String(decoding: bytes, as: UTF8.self)),
            moment % 3600 == 0, moment >= 0
        {
            return Hour(containing: moment)
        }
        faults.append("hour is not the beginning of an hour, such as 2026-11-20T09:00:00Z")
        return nil
    }

    private func count(_ faults: inout [String]) -> Int64? {
        let number: Int64?
        switch self[.count] {
        case nil:
            faults.append("count is missing")
            return nil
        case .number(let value): number = value
        case .text(let bytes):
            let isPlain = !bytes.isEmpty && bytes.allSatisfy { (0x30...0x39).contains($0) }
            number = isPlain ? Int64(String(decoding: bytes, as: UTF8.self)) : nil
        case .wrong: number = nil
        }
        guard let number, (1...CountRecord.maximumCount).contains(number) else {
            faults.append("count is not a whole number from 1 to \(CountRecord.maximumCount)")
            return nil
        }
        return number
    }
}

/// What a line of a file is.
public enum RecordLine: Equatable, Sendable {
    case record(CountRecord)
    /// At least one, to be read after the line's number.
    case faults([String])
}
