import TallyCore

/// Finds the entry of a batch that holds a packed name: open addressing over entry numbers, the names stay in the
/// batch. Emptied in no time, by counting generations.
struct FieldIndex {
    private struct Slot {
        var generation: UInt32 = 0
        var hash: UInt32 = 0
        var entry: Int32 = 0
    }

    private var slots: [Slot]
    private var generation: UInt32 = 1
    private let mask: Int
    /// Random for each start, so that nobody can choose names that all fall into one place.
    private let seed: UInt64

    /// - Parameter capacity: how many entries it must hold; it keeps at least twice as many places.
    init(capacity: Int, seed: UInt64 = .random(in: .min ... .max)) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        self.slots = Array(repeating: Slot(), count: size)
        self.mask = size - 1
        self.seed = seed
    }

    mutating func removeAll() {
        if self.generation == .max {
            for index in self.slots.indices { self.slots[index] = Slot() }
            self.generation = 0
        }
        self.generation += 1
    }

    /// The entry whose name is `field`, or else where `insert` is to put it.
    @inline(__always)
    func entry(for field: UnsafeRawBufferPointer, in bytes: [UInt8], entries: [CountBatch.Entry]) -> Lookup {
        let hash = self.hash(field)
        var position = Int(truncatingIfNeeded: hash) & self.mask
        let short = UInt32(truncatingIfNeeded: hash >> 32)
        while self.slots[position].generation == self.generation {
            let slot = self.slots[position]
            if slot.hash == short {
                let entry = entries[Int(slot.entry)]
                if Int(entry.length) == field.count, Self.equal(field, bytes, at: Int(entry.offset)) {
                    return .found(Int(slot.entry))
                }
            }
            position = (position + 1) & self.mask
        }
        return .absent(position: position, hash: short)
    }

    @inline(__always)
    mutating func insert(_ entry: Int, position: Int, hash: UInt32) {
        self.slots[position] = Slot(generation: self.generation, hash: hash, entry: Int32(truncatingIfNeeded: entry))
    }

    enum Lookup {
        case found(Int)
        case absent(position: Int, hash: UInt32)
    }

    @inline(__always)
    private static func equal(_ field: UnsafeRawBufferPointer, _ bytes: [UInt8], at offset: Int) -> Bool {
        // `offset` and the length were recorded when these very bytes were appended, so the comparison stays inside.
        bytes.withUnsafeBytes { all in
            UnsafeRawBufferPointer(rebasing: all[offset..<(offset + field.count)]).equals(field)
        }
    }

    /// Eight bytes at a time: multiply, fold, go on. Not cryptographic; the seed keeps it from being guessed, and a
    /// batch is too small for a collision to cost much.
    @inline(__always)
    private func hash(_ field: UnsafeRawBufferPointer) -> UInt64 {
        var state = self.seed ^ UInt64(truncatingIfNeeded: field.count)
        var offset = 0
        while offset + 8 <= field.count {
            state = Self.mix(state ^ field.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < field.count {
            rest = rest << 8 | UInt64(field[offset])
            offset += 1
        }
        return Self.mix(state ^ rest)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}
