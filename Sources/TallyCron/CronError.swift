/// Says what is wrong with a schedule, and where.
public struct CronError: Error, Equatable, CustomStringConvertible {
    /// The field at fault, or nil where it is the schedule as a whole.
    public let field: CronField?

    /// The text at fault, printable.
    public let offending: String

    /// What is wrong, and what may be written instead, in one line.
    public let problem: String

    /// The schedule as it was written, printable.
    public let expression: String

    /// Where in `expression` the fault lies, counted in Unicode scalars.
    public let columns: Range<Int>

    /// What the field at fault may hold.
    public var allowed: ClosedRange<Int>? { self.field?.allowed }

    /// The problem, and below it the schedule with the fault underlined by carets.
    public var description: String {
        let indent = String(repeating: " ", count: self.columns.lowerBound)
        let carets = String(repeating: "^", count: max(1, self.columns.count))
        return "\(self.problem)\n  \(self.expression)\n  \(indent)\(carets)"
    }
}
