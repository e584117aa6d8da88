/// Reads a query or a form: `name=value` pairs between `&`, percent-encoded.
enum FormScanner {
    static let brokenEncoding = "has broken percent-encoding; write a percent sign itself as %25"

    /// Notes the known parameters in `given`, their decoded values at the end of `values`, and postpones the faults of
    /// unknown ones. `count` is unknown here.
    static func scan(
        _ bytes: UnsafeRawBufferPointer, into given: inout GivenParameters, values: inout [UInt8],
        faults: inout FaultList
    ) {
        let end = bytes.count
        var position = 0
        while position < end {
            // One pass finds where name and value end and whether they need decoding. Every index below is at most
            // `end`, which keeps the reads within the buffer.
            let start = position
            var equals = -1
            var nameIsEncoded = false
            var valueIsEncoded = false
            scan: while position < end {
                let byte = bytes[position]
                // Letters, most of the input, are all above the four bytes that matter.
                if byte <= UInt8(ascii: "=") {
                    switch byte {
                    case UInt8(ascii: "&"): break scan
                    case UInt8(ascii: "="): if equals < 0 { equals = position }
                    case UInt8(ascii: "%"), UInt8(ascii: "+"):
                        if equals < 0 { nameIsEncoded = true } else { valueIsEncoded = true }
                    default: break
                    }
                }
                position += 1
            }
            let stop = position
            position += 1
            if start == stop { continue }

            let nameEnd = equals < 0 ? stop : equals
            let valueStart = equals < 0 ? stop : equals + 1
            let name = UnsafeRawBufferPointer(rebasing: bytes[start..<nameEnd])
            let value = UnsafeRawBufferPointer(rebasing: bytes[valueStart..<stop])

            let parameter: TrackParameter?
            if nameIsEncoded {
                // `values` serves as scratch space for the decoded name.
                let mark = values.count
                let isWhole = PercentEncoding.decode(name, into: &values)
                parameter = values.withUnsafeBytes { TrackParameter(UnsafeRawBufferPointer(rebasing: $0[mark...])) }
                values.removeLast(values.count - mark)
                guard isWhole else {
                    faults.postpone(unknown: name, self.brokenEncoding)
                    continue
                }
            } else {
                parameter = TrackParameter(name)
            }

            if let parameter, parameter != .count {
                let isFirst = given[parameter].give()
                let offset = values.count
                if !valueIsEncoded {
                    if isFirst { values.append(contentsOf: value) }
                } else if !PercentEncoding.decode(value, into: &values) {
                    given[parameter].marks.insert(.brokenEncoding)
                }
                if isFirst {
                    given[parameter].offset = offset
                    given[parameter].length = values.count - offset
                }
            } else if valueIsEncoded, !PercentEncoding.isWhole(value) {
                faults.postpone(unknown: name, self.brokenEncoding)
            }
        }
    }
}
