import TallyCore
import Testing

@testable import TallyTrack

@Suite struct FieldIndexTests {
    @Test("finds each of a thousand names again, and none after it was emptied")
    func findsAll() {
        var index = FieldIndex(capacity: 1_000, seed: 7)
        var batch = CountBatch()
        for round in 0..<3 {
            for number in 0..<1_000 {
                let field = Array("acme\ttest-\(number)\tvariation-\(round)\tview".utf8)
                field.withUnsafeBytes { bytes in
                    guard
                        case .absent(let position, let hash) = index.entry(
                            for: bytes, in: batch.bytes, entries: batch.entries)
                    else { Issue.record("found what is not there"); return }
                    index.insert(batch.appendSingle(field: bytes, count: 1), position: position, hash: hash)
                }
            }
            for number in 0..<1_000 {
                let field = Array("acme\ttest-\(number)\tvariation-\(round)\tview".utf8)
                field.withUnsafeBytes { bytes in
                    guard case .found(let entry) = index.entry(for: bytes, in: batch.bytes, entries: batch.entries)
                    else {
                        Issue.record("not found")
                        return
                    }
                    #expect(entry == number)
                }
            }
            batch.removeAll()
            index.removeAll()
        }
    }

    @Test("tells two names apart that fall into one place with one hash")
    func collision() throws {
        // Found by search among a quarter of a million names, for this seed and this size.
        let names = ["acme\tcta\t1055284\tview", "acme\tcta\t1262718\tview"].map { Array($0.utf8) }
        var index = FieldIndex(capacity: 8, seed: 7)
        var batch = CountBatch()
        let places = try names.map { name in
            try #require(index.place(of: name, in: batch), "an empty index holds nothing")
        }
        try #require(places[0] == places[1], "the hash has changed: search for another pair")

        names[0].withUnsafeBytes { name in
            index.insert(
                batch.appendSingle(field: name, count: 1), position: places[0].position, hash: places[0].hash)
        }
        #expect(index.place(of: names[0], in: batch) == nil)
        let second = try #require(index.place(of: names[1], in: batch), "taken for the first")
        #expect(second.hash == places[0].hash && second.position != places[0].position)
    }

    @Test("bytes are equal where all of them are", arguments: [1, 7, 8, 9, 16, 31, 259])
    func equality(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        func equals(_ other: [UInt8]) -> Bool {
            bytes.withUnsafeBytes { left in other.withUnsafeBytes { left.equals($0) } }
        }
        #expect(equals(bytes))
        #expect(!equals([]) && !equals(bytes + [0]) && !equals(bytes.dropLast()))
        for position in bytes.indices {
            var other = bytes
            other[position] ^= 0x80
            #expect(!equals(other), "byte \(position)")
        }
    }

    @Test("no bytes equal no bytes, wherever they lie")
    func equalityOfNone() {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        [UInt8(1)].withUnsafeBytes { bytes in
            let empty = UnsafeRawBufferPointer(rebasing: bytes[1...])
            #expect(none.equals(none) && none.equals(empty) && empty.equals(none) && empty.equals(empty))
            #expect(!none.equals(bytes) && !bytes.equals(none))
        }
    }

    @Test("a batch of single counts is plain, one with a request of many items is not")
    func plain() {
        var batch = CountBatch()
        #expect(batch.isPlain)
        Array("a".utf8).withUnsafeBytes { _ = batch.appendSingle(field: $0, count: 1) }
        #expect(batch.isPlain && batch.unitCount == 1)
        batch.beginUnit()
        Array("a".utf8).withUnsafeBytes { _ = batch.append(field: $0, count: 1) }
        #expect(!batch.isPlain && batch.unitCount == 2)
        batch.removeAll()
        #expect(batch.isPlain && batch.entries.isEmpty)
    }

    @Test("an entry with an event ID keeps it beside its name")
    func eventIDs() {
        var batch = CountBatch()
        Array("name".utf8).withUnsafeBytes { _ = batch.appendSingle(field: $0, count: 1) }
        #expect(!batch.hasIDs)
        batch.beginUnit()
        Array("name-2id".utf8).withUnsafeBytes { batch.append(field: $0, idLength: 2, count: 3) }
        Array("other".utf8).withUnsafeBytes { _ = batch.append(field: $0, count: 1) }
        #expect(batch.hasIDs && !batch.isPlain)
        #expect(
            batch.entries.indices.map { String(decoding: batch.field($0), as: UTF8.self) } == [
                "name", "name-2", "other",
            ])
        #expect(batch.entries.indices.map { String(decoding: batch.id($0), as: UTF8.self) } == ["", "id", ""])
        #expect(MemoryLayout<CountBatch.Entry>.stride == 24)
        batch.removeAll()
        #expect(!batch.hasIDs)
    }
}

private struct Place: Equatable {
    let position: Int
    let hash: UInt32
}

extension FieldIndex {
    /// Where a name would be put; nil where it is there.
    fileprivate func place(of name: [UInt8], in batch: CountBatch) -> Place? {
        name.withUnsafeBytes { bytes in
            guard case .absent(let position, let hash) = self.entry(for: bytes, in: batch.bytes, entries: batch.entries)
            else { return nil }
            return Place(position: position, hash: hash)
        }
    }
}
