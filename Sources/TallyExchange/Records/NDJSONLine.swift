import TallyCore
import TallyTrack

/// Reads a line of NDJSON: `{"clientName":"acme","testID":"cta","variation":"B","hour":"2026-11-20T09:00:00Z","count":12}`.
enum NDJSONLine {
    static func read(_ line: ArraySlice<UInt8>, client: Name?) -> RecordLine {
        line.withUnsafeBytes { bytes in
            if UTF8Check.firstFault(in: bytes) != nil { return .faults(["is not UTF-8"]) }
            var scanner = JSONScanner(bytes, range: 0..<bytes.count)
            do throws(JSONError) {
                return try self.read(&scanner, client: client)
            } catch {
                return .faults(["is not JSON: expected \(error.expected) at byte \(error.offset + 1)"])
            }
        }
    }

    private static func read(_ scanner: inout JSONScanner, client: Name?) throws(JSONError) -> RecordLine {
        var given = GivenRecord()
        var faults: [String] = []
        scanner.skipWhitespace()
        guard scanner.peek() == UInt8(ascii: "{") else { throw scanner.failure("an object") }
        try scanner.open()
        var isFirst = true
        while let key = try scanner.nextKey(isFirst: isFirst) {
            isFirst = false
            var name: [UInt8] = []
            if key.isUnicode { try scanner.append(key, to: &name) }
            guard let field = RecordField(name) else {
                _ = try scanner.skipValue()
                faults.append("has a key \"\(String(decoding: name, as: UTF8.self))\"; known are \(RecordField.list)")
                continue
            }
            if given[field] != nil { faults.append("\(field.rawValue) is given twice") }
            let value = try self.value(&scanner)
            if case .text = value, field == .count { given[field] = .wrong } else { given[field] = value }
        }
        try scanner.expectEnd()
        guard faults.isEmpty else { return .faults(faults) }
        return given.checked(client: client)
    }

    private static func value(_ scanner: inout JSONScanner) throws(JSONError) -> GivenRecord.Value {
        switch scanner.peek() {
        case UInt8(ascii: "\"")?:
            let text = try scanner.string()
            guard text.isUnicode else { return .wrong }
            var bytes: [UInt8] = []
            try scanner.append(text, to: &bytes)
            return .text(bytes)
        case let byte? where byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
            return try scanner.number().map { .number($0) } ?? .wrong
        default:
            _ = try scanner.skipValue()
            return .wrong
        }
    }
}
