import TallyCore

/// A batch whose packed names have been taken apart and whose counts have been checked, so that counting it can fail
/// for SQLite's reasons only.
struct ParsedBatch {
    /// Where the four names of an entry lie in the batch's bytes.
    struct Names {
        let start: Int
        let tabs: (Int, Int, Int)
        let end: Int

        func client(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer { part(bytes, self.start, self.tabs.0) }
        func test(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            part(bytes, self.tabs.0 + 1, self.tabs.1)
        }
        func variation(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            part(bytes, self.tabs.1 + 1, self.tabs.2)
        }
        func event(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            part(bytes, self.tabs.2 + 1, self.end)
        }

        private func part(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        }
    }

    let source: CountBatch
    /// One element per entry.
    let names: [Names]
    /// The sum of all counts.
    let sum: Int64

    /// - Throws: `BufferError`; nothing of the batch may then be counted.
    init(_ batch: CountBatch) throws(BufferError) {
        var names: [Names] = []
        names.reserveCapacity(batch.entries.count)
        var sum: Int64 = 0
        for entry in batch.entries {
            guard let parsed = Self.split(entry, in: batch.bytes) else {
                throw BufferError(
                    .malformed, "an increment did not carry four names, so nothing of its batch was counted")
            }
            guard entry.count > 0 else {
                throw BufferError(
                    .malformed, "an increment was not a positive number, so nothing of its batch was counted")
            }
            let (next, overflow) = sum.addingReportingOverflow(entry.count)
            guard !overflow else { throw Self.tooLarge }
            sum = next
            names.append(parsed)
        }
        self.source = batch
        self.names = names
        self.sum = sum
    }

    /// The event ID of an entry, which lies behind its names; empty where it has none.
    func id(_ entry: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let end = self.names[entry].end
        return UnsafeRawBufferPointer(rebasing: bytes[end..<end + Int(self.source.entries[entry].idLength)])
    }

    static let tooLarge = BufferError(
        .refused, "the counts would exceed \(Int64.max), so nothing of the batch was counted; send smaller ones")

    private static func split(_ entry: CountBatch.Entry, in bytes: [UInt8]) -> Names? {
        let start = Int(entry.offset)
        let end = start + Int(entry.length)
        var tabs = (0, 0, 0)
        var found = 0
        var partStart = start
        for index in start..<end where bytes[index] == CounterField.separator {
            guard index > partStart else { return nil }
            switch found {
            case 0: tabs.0 = index
            case 1: tabs.1 = index
            case 2: tabs.2 = index
            default: return nil
            }
            found += 1
            partStart = index + 1
        }
        guard found == 3, partStart < end else { return nil }
        return Names(start: start, tabs: tabs, end: end)
    }
}
