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
        #expect(batch.isPlain && batch.isEmpty)
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
