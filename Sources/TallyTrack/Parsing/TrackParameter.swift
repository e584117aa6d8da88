/// The parameters of /track, in the order in which their faults are listed.
enum TrackParameter {
    case clientName, testID, variation, event
    /// What the caller calls this one event by, so that it may send it again without its being counted again.
    case eventID
    /// How many to count, in the items of a batch alone.
    case count

    /// Those that make up a counter.
    static let names: [TrackParameter] = [.clientName, .testID, .variation, .event]

    /// Recognizes a name by its bytes; nil for a parameter that tally does not know.
    @inline(__always)
    init?(_ name: UnsafeRawBufferPointer) {
        // The lengths of the first five differ, so that one comparison settles a name.
        switch name.count {
        case 10 where Self.equal(name, "clientName"): self = .clientName
        case 6 where Self.equal(name, "testID"): self = .testID
        case 9 where Self.equal(name, "variation"): self = .variation
        case 5 where Self.equal(name, "event"): self = .event
        case 7 where Self.equal(name, "eventID"): self = .eventID
        case 5 where Self.equal(name, "count"): self = .count
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .clientName: "clientName"
        case .testID: "testID"
        case .variation: "variation"
        case .event: "event"
        case .eventID: "eventID"
        case .count: "count"
        }
    }

    @inline(__always)
    private static func equal(_ name: UnsafeRawBufferPointer, _ literal: StaticString) -> Bool {
        // A literal's bytes live as long as the program.
        name.equals(UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }
}
