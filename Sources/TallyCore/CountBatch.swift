/// What one event loop sends to its buffer under one number: increments, grouped into units.
///
/// A unit is counted or refused as a whole. All single counts of one counter in a tick are one unit with one entry;
/// a request with many items, or with an event ID, is a unit of its own. Entries of a unit stand together, units are
/// numbered from 0 in the order of their entries.
///
/// An increment with an event ID has an entry of its own, which the buffer counts only where it does not remember the ID.
///
/// The names lie packed in one array, so that a batch costs a few allocations whatever it holds, and none once its
/// arrays have grown (`removeAll`).
public struct CountBatch: Sendable {
    public struct Entry: Sendable {
        /// Where the packed name begins in `bytes`.
        public let offset: Int32
        /// Its length in bytes, at most `CounterField.maximumBytes`.
        public let length: Int32
        public let unit: Int32
        /// The length of the event ID, which lies right behind the name; 0 for none.
        public let idLength: Int32
        public var count: Int64
    }

    public private(set) var bytes: [UInt8] = []
    public private(set) var entries: [Entry] = []
    public private(set) var unitCount: Int = 0
    /// Whether every unit is a single count, each of another counter: what nearly every batch is, and what a buffer may
    /// take a shorter way with.
    public private(set) var isPlain = true
    /// Whether any entry has an event ID.
    public private(set) var hasIDs = false

    public init() {}

    /// Appends a unit with one entry, of a counter that no other single unit has. Returns the entry's index.
    public mutating func appendSingle(field: UnsafeRawBufferPointer, count: Int64) -> Int {
        self.unitCount += 1
        return self.append(field: field, count: count)
    }

    /// Begins a new unit; the entries appended next belong to it. Their counters may be in other units too. Returns its
    /// number.
    @discardableResult
    public mutating func beginUnit() -> Int {
        self.isPlain = false
        self.unitCount += 1
        return self.unitCount - 1
    }

    /// Appends an entry to the unit begun last. Returns its index.
    @discardableResult
    public mutating func append(field: UnsafeRawBufferPointer, count: Int64) -> Int {
        assert(self.unitCount > 0, "an entry belongs to a unit")
        let offset = Int32(truncatingIfNeeded: self.bytes.count)
        self.bytes.append(contentsOf: field)
        self.entries.append(
            Entry(
                offset: offset, length: Int32(truncatingIfNeeded: field.count),
                unit: Int32(truncatingIfNeeded: self.unitCount - 1), idLength: 0, count: count))
        return self.entries.count - 1
    }

    /// Appends an entry with an event ID to the unit begun last, which `beginUnit` has begun.
    /// - Parameter field: the packed name, and behind it the ID.
    public mutating func append(field: UnsafeRawBufferPointer, idLength: Int, count: Int64) {
        assert(self.unitCount > 0 && !self.isPlain, "an entry with an ID belongs to a unit of its own")
        assert(idLength > 0 && idLength < field.count)
        let offset = Int32(truncatingIfNeeded: self.bytes.count)
        self.bytes.append(contentsOf: field)
        self.entries.append(
            Entry(
                offset: offset, length: Int32(truncatingIfNeeded: field.count - idLength),
                unit: Int32(truncatingIfNeeded: self.unitCount - 1), idLength: Int32(truncatingIfNeeded: idLength),
                count: count))
        self.hasIDs = true
    }

    /// Adds to the count of an entry that is already there.
    @inline(__always)
    public mutating func add(_ count: Int64, to entry: Int) { self.entries[entry].count += count }

    /// The sum of all counts.
    public var sum: Int64 { self.entries.reduce(0) { $0 + $1.count } }

    /// The packed name of an entry (see `CounterField`).
    public func field(_ entry: Int) -> ArraySlice<UInt8> {
        let entry = self.entries[entry]
        return self.bytes[Int(entry.offset)..<Int(entry.offset) + Int(entry.length)]
    }

    /// The event ID of an entry; empty where it has none.
    public func id(_ entry: Int) -> ArraySlice<UInt8> {
        let entry = self.entries[entry]
        let start = Int(entry.offset) + Int(entry.length)
        return self.bytes[start..<start + Int(entry.idLength)]
    }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        self.bytes.removeAll(keepingCapacity: true)
        self.entries.removeAll(keepingCapacity: true)
        self.unitCount = 0
        self.isPlain = true
        self.hasIDs = false
    }
}

/// Why a buffer did not take a unit.
public enum Refusal: UInt8, Sendable {
    case tooManyClients = 0x63  // c
    case tooManyTests = 0x74  // t
    case tooManyVariations = 0x76  // v
    case tooManyEvents = 0x65  // e
    case tooManyIDs = 0x69  // i
}

/// A buffer's answer to a batch: every unit is counted but those listed, and of those every entry but the duplicates.
public struct Verdicts: Sendable, Equatable {
    public struct Exception: Sendable, Equatable {
        public let unit: Int
        public let refusal: Refusal
        /// Which entry of the batch met the bound.
        public let entry: Int

        public init(unit: Int, refusal: Refusal, entry: Int) {
            self.unit = unit
            self.refusal = refusal
            self.entry = entry
        }
    }

    /// In ascending order of units, each at most once.
    public let exceptions: [Exception]
    /// Entries of units that were not refused, whose event ID was remembered. In ascending order.
    public let duplicates: [Int]

    public init(exceptions: [Exception] = [], duplicates: [Int] = []) {
        self.exceptions = exceptions
        self.duplicates = duplicates
    }

    public static let allCounted = Verdicts()

    /// Whether nothing is listed.
    public var isAllCounted: Bool { self.exceptions.isEmpty && self.duplicates.isEmpty }
}
