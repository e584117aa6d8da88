import Glibc

extension UnsafeRawBufferPointer {
    /// Whether both hold the same bytes, compared as words where `elementsEqual` takes one byte after the other: a
    /// seventh of the instructions of a large batch.
    @inline(__always)
    func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard self.count == other.count else { return false }
        // Without an address a buffer is empty, and so is the other one.
        guard let left = self.baseAddress, let right = other.baseAddress else { return true }
        // Both buffers hold as many bytes as are compared.
        return memcmp(left, right, self.count) == 0
    }

    /// Whether one of them is this byte; looked for many at a time.
    @inline(__always)
    func holds(_ byte: UInt8) -> Bool {
        // Without an address there is none; otherwise no more is read than the buffer has.
        self.baseAddress.map { memchr($0, CInt(byte), self.count) != nil } ?? false
    }
}

extension Collection<UInt8> {
    /// Whether these bytes are `literal`, which is in small letters, whatever their case (ASCII).
    @inline(__always)
    func equalsIgnoringCase(_ literal: StaticString) -> Bool {
        guard self.count == literal.utf8CodeUnitCount else { return false }
        // A literal's bytes live as long as the program, and there are as many.
        let expected = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        return zip(self, expected).allSatisfy { byte, expected in
            let isCapital = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            return (isCapital ? byte | 0x20 : byte) == expected
        }
    }
}
