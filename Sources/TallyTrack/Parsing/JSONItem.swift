/// Reads one JSON object as the parameters of a count.
enum JSONItem {
    /// The largest count of one item.
    static let maximumCount: Int64 = 1_000_000
    static let notUnicode = "is not valid Unicode"

    /// Reads the object whose brace stands here. Notes the known parameters in `given`, their values at the end of
    /// `values`, and postpones the faults of unknown ones, which may hold any JSON.
    /// - Parameter takesCount: whether `count` is known, as it is in the items of a batch.
    static func read(
        _ scanner: inout JSONScanner, takesCount: Bool, into given: inout GivenParameters, values: inout [UInt8],
        faults: inout FaultList
    ) throws(JSONError) {
        try scanner.open()
        var isFirst = true
        while let key = try scanner.nextKey(isFirst: isFirst) {
            isFirst = false
            switch try self.parameter(key, scanner, scratch: &values) {
            case .count? where takesCount:
                try self.readCount(&scanner, into: &given)
            case let parameter? where parameter != .count:
                try self.readText(&scanner, into: &given[parameter], values: &values)
            default:
                let valueIsUnicode = try scanner.skipValue()
                if !key.isUnicode || !valueIsUnicode {
                    faults.postpone(unknown: scanner.raw(key), self.notUnicode)
                }
            }
        }
    }

    /// Which parameter a key means once its escapes are undone.
    private static func parameter(
        _ key: JSONScanner.Text, _ scanner: JSONScanner, scratch: inout [UInt8]
    ) throws(JSONError) -> TrackParameter? {
        guard key.isUnicode else { return nil }
        guard key.hasEscapes else { return TrackParameter(scanner.raw(key)) }
        let mark = scratch.count
        defer { scratch.removeLast(scratch.count - mark) }
        try scanner.append(key, to: &scratch)
        return scratch.withUnsafeBytes { TrackParameter(UnsafeRawBufferPointer(rebasing: $0[mark...])) }
    }

    private static func readText(
        _ scanner: inout JSONScanner, into value: inout GivenValue, values: inout [UInt8]
    ) throws(JSONError) {
        let isFirst = value.give()
        guard scanner.peek() == UInt8(ascii: "\"") else {
            _ = try scanner.skipValue()
            value.marks.insert(.wrongType)
            return
        }
        let text = try scanner.string()
        guard text.isUnicode else {
            value.marks.insert(.notUnicode)
            return
        }
        guard isFirst else { return }
        value.offset = values.count
        try scanner.append(text, to: &values)
        value.length = values.count - value.offset
    }

    private static func readCount(
        _ scanner: inout JSONScanner, into given: inout GivenParameters
    ) throws(JSONError) {
        let isFirst = given[.count].give()
        let number: Int64?
        switch scanner.peek() {
        case let byte? where byte == UInt8(ascii: "-") || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")):
            number = try scanner.number()
        default:
            _ = try scanner.skipValue()
            number = nil
        }
        guard let number, number >= 1, number <= self.maximumCount else {
            given[.count].marks.insert(.wrongType)
            return
        }
        if isFirst { given.number = number }
    }
}
