/// Why the embedded file, or a copy of it, could not be opened or made.
public struct EmbeddedDatabaseError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// The directory or the file cannot be made, or not be written to.
        case notWritable
        /// The file is not SQLite's, is damaged, or belongs to another program.
        case notADatabase
        /// No room on the disk.
        case diskFull
        /// A later version of tally has changed its tables.
        case newerSchema
        /// Another process does not let go of it.
        case busy
        /// Something has the name already that a file was to get.
        case taken
        /// There is no such file.
        case missing
        /// Anything else.
        case unusable
    }

    public let code: Code
    /// What is wrong and what to do, for the operator.
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    init(opening path: String, _ failure: SQLiteFailure) { self.init("opening \(path)", failure) }

    /// - Parameter attempt: what was being done, as in "copying /var/lib/tally/tally.sqlite".
    init(_ attempt: String, _ failure: SQLiteFailure) {
        let code: Code =
            switch failure.kind {
            case .full: .diskFull
            case .notWritable: .notWritable
            case .damaged: .notADatabase
            case .busy: .busy
            case .disk, .closed, .tooLarge, .other: .unusable
            }
        self.init(code, "\(attempt): \(failure.words)")
    }
}
