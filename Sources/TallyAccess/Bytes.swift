/// Lends a collection's bytes as one span, without a copy where it holds them in one piece, as strings,
/// substrings and network buffers do.
func withBytes<Result>(_ bytes: some Collection<UInt8>, _ body: (Span<UInt8>) -> Result) -> Result {
    if let result = bytes.withContiguousStorageIfAvailable({ body($0.span) }) { return result }
    return ContiguousArray(bytes).withUnsafeBufferPointer { body($0.span) }
}

/// The part of `range` that is left when spaces and tabs are taken off both ends (OWS of RFC 9110, section 5.6.3).
func trimmed(_ text: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (lower, upper) = (range.lowerBound, range.upperBound)
    while lower < upper, isBlank(text[lower]) { lower += 1 }
    while lower < upper, isBlank(text[upper - 1]) { upper -= 1 }
    return lower..<upper
}

private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

/// Text from outside, made fit for a log line or an answer: printable ASCII stays, a backslash is doubled, any other
/// byte becomes `\xHH`; at most `maximum` characters, with `...` at the end where something was cut off.
func printable(_ text: Span<UInt8>, _ range: Range<Int>, maximum: Int = 64) -> String {
    let ellipsis = "..."
    var result: [UInt8] = []
    // Where the result would be cut, should it prove too long: never in the middle of an escape.
    var cut = 0
    for index in range {
        let byte = text[index]
        switch byte {
        case UInt8(ascii: "\\"): result += [byte, byte]
        case 0x20..<0x7F: result.append(byte)
        default: result += [UInt8(ascii: "\\"), UInt8(ascii: "x"), hexDigit(byte >> 4), hexDigit(byte & 0xF)]
        }
        if result.count <= maximum - ellipsis.utf8.count { cut = result.count }
        if result.count > maximum {
            result.removeSubrange(cut...)
            result += ellipsis.utf8
            break
        }
    }
    return String(decoding: result, as: UTF8.self)
}

private func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
}
