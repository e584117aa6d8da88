import CMongoc
import Logging
import TallyCore

/// A MongoDB connection string, parsed, with the settings that tally insists on. Owns the driver's `mongoc_uri_t`.
///
/// What it says of write concern, read concern and read preference does not count: a write must be with a majority of
/// the members and in their journals before a batch is acknowledged, and what is read must be from the primary.
final class MongoURI {
    let pointer: OpaquePointer
    /// The database that the path names, else `tally`.
    let database: String
    /// The hosts, as `host:port`, separated by commas; for logs and errors.
    let hosts: String
    /// Whether a write whose answer was lost may be sent again at once: `retryWrites`, else true.
    var retriesWrites: Bool { mongoc_uri_get_option_as_bool(self.pointer, MONGOC_URI_RETRYWRITES, true) }

    /// - Parameter name: what names it to the user, for errors.
    /// - Throws: `StoreError` with the driver's words where the text is no connection string. Never with the password.
    init(_ text: String, name: String, logger: Logger) throws(StoreError) {
        var error = bson_error_t()
        guard let pointer = mongoc_uri_new_with_error(text, &error) else {
            let words = Self.withoutSecrets(MongoDriver.message(error), of: text)
            throw StoreError(
                .configuration,
                "\(name) is not a connection string: \(words). "
                    + "Expected mongodb://[user:password@]host[:port][,host2…][/database][?options].")
        }
        self.pointer = pointer
        self.database = mongoc_uri_get_database(pointer).map { String(cString: $0) } ?? "tally"
        self.hosts = Self.hosts(of: pointer)
        // The driver takes what follows the first @ for the host, and would name it in its messages.
        if self.hosts.contains("@") {
            throw StoreError(
                .configuration,
                "\(name) is not a connection string: it has an @ in the user or the password. Write it %40.")
        }

        let ignored: [String] = [
            MONGOC_URI_W, MONGOC_URI_JOURNAL, MONGOC_URI_WTIMEOUTMS, MONGOC_URI_READPREFERENCE,
            MONGOC_URI_READCONCERNLEVEL,
        ].filter { mongoc_uri_has_option(pointer, $0) }
        if !ignored.isEmpty {
            logger.log(
                .mongoDBOptionsIgnored, "\(name) sets options that tally sets itself; they are not used",
                [.options: ignored.joined(separator: ", ")])
        }
        Self.setWriteConcern(of: pointer)
        let primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY)
        mongoc_uri_set_read_prefs_t(pointer, primary)
        mongoc_read_prefs_destroy(primary)

        // A flush runs every minute, so it is better told soon that nobody is there than late.
        self.setDefault(MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 3_000)
        self.setDefault(MONGOC_URI_CONNECTTIMEOUTMS, 3_000)
        self.setDefault(MONGOC_URI_SOCKETTIMEOUTMS, 30_000)
        if mongoc_uri_get_appname(pointer) == nil { mongoc_uri_set_appname(pointer, "tally") }
    }

    deinit { mongoc_uri_destroy(self.pointer) }

    private func setDefault(_ option: String, _ milliseconds: Int32) {
        if !mongoc_uri_has_option(self.pointer, option) {
            mongoc_uri_set_option_as_int32(self.pointer, option, milliseconds)
        }
    }

    private static func setWriteConcern(of uri: OpaquePointer) {
        let concern = mongoc_write_concern_new()
        defer { mongoc_write_concern_destroy(concern) }
        mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY)
        mongoc_write_concern_set_journal(concern, true)
        mongoc_write_concern_set_wtimeout_int64(concern, Int64(MongoDriver.writeTimeoutMilliseconds))
        mongoc_uri_set_write_concern(uri, concern)
    }

    private static func hosts(of uri: OpaquePointer) -> String {
        if let service = mongoc_uri_get_srv_hostname(uri) { return String(cString: service) }
        var hosts: [String] = []
        var next = mongoc_uri_get_hosts(uri)
        while let host = next {
            hosts.append(
                withUnsafeBytes(of: host.pointee.host_and_port) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                })
            next = UnsafePointer(host.pointee.next)
        }
        return hosts.joined(separator: ",")
    }

    /// The driver's message, or a stand-in where it might quote a piece of the password. What the password is cannot be
    /// known of a string that does not parse, so everything up to the last `@` is taken for secret but the user.
    static func withoutSecrets(_ message: String, of text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return message }
        let credentials = text[..<at].drop { $0 != "/" }.drop { $0 == "/" }
        let secrets = credentials.drop { $0 != ":" }.split { !$0.isLetter && !$0.isNumber }
        if secrets.contains(where: { message.contains($0) }) {
            return "the part before the @ is malformed (percent-encode special characters in the user and the password)"
        }
        return message
    }
}
