/// Columns of text, numbers to the right. On a terminal it keeps to the width, and draws shares as bars over what the
/// columns leave.
struct TextTable {
    /// What a row shows beside its cells.
    struct Row {
        var cells: [String]
        /// 0 to 1, as a bar.
        var share: Double?
        /// Whether an empty line comes before it on a terminal.
        var isApart = false
    }

    let header: [String]
    var rows: [Row]
    /// Columns whose cells stand to the right.
    var numeric: Set<Int> = []
    /// Columns that give way where a terminal is too narrow.
    var flexible: Set<Int> = []

    /// As narrow as a flexible column is made.
    static let leastWidth = 12
    private static let gap = 2
    private static let barWidth = 10...40

    static func render(header: [String], rows: [[String]], numeric: Set<Int> = []) -> String {
        TextTable(header: header, rows: rows.map { Row(cells: $0) }, numeric: numeric).render(on: .none)
    }

    func render(on terminal: Terminal) -> String {
        let hasBars = terminal.width != nil && self.rows.contains { $0.share != nil }
        let widths = self.widths(on: terminal, hasBars: hasBars)
        let used = widths.reduce(0) { $0 + $1 + Self.gap }
        let bar = hasBars ? min((terminal.width ?? 0) - used, Self.barWidth.upperBound) : 0

        let rule = widths.map { String(repeating: "-", count: $0) }
        var lines = [self.header, rule].map { terminal.styled(self.line($0, widths), .faint) }
        for row in self.rows {
            if row.isApart && terminal.width != nil { lines.append("") }
            let text = self.line(row.cells, widths)
            let drawn = bar < Self.barWidth.lowerBound ? nil : row.share.map { Bar.text($0, width: bar) }
            if let drawn, !drawn.isEmpty {
                lines.append(text.padded(to: used) + terminal.styled(drawn, .cyan))
            } else {
                lines.append(text)
            }
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let padded = cells.enumerated().map { column, cell in
            cell.fitted(to: widths[column]).padded(to: widths[column], isNumeric: self.numeric.contains(column))
        }
        var text = padded.joined(separator: String(repeating: " ", count: Self.gap))
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }

    /// As wide as the widest cell; flexible columns give way, the widest of them first, so that the rest and a short bar
    /// have room.
    private func widths(on terminal: Terminal, hasBars: Bool) -> [Int] {
        var widths = self.header.indices.map { column in
            self.rows.reduce(self.header[column].columns) { max($0, $1.cells[column].columns) }
        }
        guard let width = terminal.width else { return widths }
        let room = width - (hasBars ? Self.barWidth.lowerBound : -Self.gap)
        while widths.reduce(0, { $0 + $1 + Self.gap }) > room,
            let widest = self.flexible.filter({ widths[$0] > Self.leastWidth }).max(by: { widths[$0] < widths[$1] })
        {
            widths[widest] -= 1
        }
        return widths
    }
}

/// A bar in eighths of a column.
enum Bar {
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// - Parameter share: 0 to 1; 1 fills the width. What is more than nothing is seen.
    static func text(_ share: Double, width: Int) -> String {
        let parts = Int((min(max(share, 0), 1) * Double(width * 8)).rounded())
        let seen = share > 0 ? max(1, parts) : 0
        return String(repeating: "█", count: seen / 8) + self.eighths[seen % 8]
    }
}

/// Shares in percent, to a tenth.
enum Percent {
    /// `12.3 %`. What is not quite none, or not quite all, is not rounded to it.
    static func text(_ share: Double) -> String {
        if share > 0, share < 0.0005 { return "<0.1 %" }
        if share < 1, share >= 0.9995 { return ">99.9 %" }
        let tenths = Int((share * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }
}
