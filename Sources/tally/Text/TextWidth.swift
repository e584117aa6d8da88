extension String {
    /// How many columns a terminal needs: two for characters of East Asian width and emoji, none for what is not seen.
    /// Near enough for a table; terminals differ among themselves.
    var columns: Int { self.reduce(0) { $0 + $1.columns } }

    /// Cut to so many columns, with `…` at the end where something is missing.
    func fitted(to maximum: Int) -> String {
        guard self.columns > maximum else { return self }
        var cut = ""
        var columns = 0
        for character in self {
            guard columns + character.columns < maximum else { break }
            cut.append(character)
            columns += character.columns
        }
        return cut + "…"
    }

    /// Filled up with spaces to so many columns.
    func padded(to width: Int, isNumeric: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - self.columns))
        return isNumeric ? space + self : self + space
    }
}

extension Character {
    /// Marks that join the character before them are part of it.
    fileprivate var columns: Int {
        guard let first = self.unicodeScalars.first else { return 0 }
        let isEmoji =
            first.properties.isEmojiPresentation
            || self.unicodeScalars.contains { $0.properties.isVariationSelector && $0.value == 0xFE0F }
        if isEmoji || Self.isWide(first) { return 2 }
        return first.properties.generalCategory == .format ? 0 : 1
    }

    /// - Source: the ranges of https://www.unicode.org/reports/tr11/ that are wide or full width, without emoji, joined
    ///   where only unassigned ones lie between.
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
            true
        default: false
        }
    }
}
