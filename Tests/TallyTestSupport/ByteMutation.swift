/// Small changes of a text, byte by byte, as a fuzzer makes them.
public enum ByteMutation {
    /// Makes one, or now and then none: puts a token in, takes a piece out, doubles one, changes a bit or a byte, or cuts
    /// off the rest.
    public static func mutate(_ bytes: inout [UInt8], tokens: [[UInt8]], _ random: inout SplitMix64) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let length = min(Int.random(in: 0...12, using: &random), bytes.count - place)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.insert(contentsOf: tokens[Int.random(in: 0..<tokens.count, using: &random)], at: place)
        case 1: bytes.removeSubrange(place..<place + length)
        case 2: bytes.insert(contentsOf: Array(bytes[place..<place + length]), at: place)
        case 3 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 4 where place < bytes.count: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 5 where place % 4 == 0: bytes.removeSubrange(place...)
        default: break
        }
    }
}
