/// Finds what was probably meant.
package enum Nearest {
    /// The candidate with the least edit distance, the first of several; nil where none is within the limit.
    package static func name(to text: String, among candidates: [String], within limit: Int) -> String? {
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = editDistance(Array(text.utf8), Array(candidate.utf8))
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// How many bytes must be inserted, removed or replaced to turn one into the other: Levenshtein's distance, by
    /// Wagner and Fischer's table (https://doi.org/10.1145/321796.321811), of which one row is kept.
    static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let above = row[column + 1]
                row[column + 1] = min(above + 1, row[column] + 1, diagonal + (byte == right[column] ? 0 : 1))
                diagonal = above
            }
        }
        return row[right.count]
    }
}
