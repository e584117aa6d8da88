/// A MongoDB connection string. Only its scheme is checked here; the driver, which knows the rest, checks the rest.
///
/// Whatever prints a value of this type, its secrets are not shown.
public struct MongoDBURI: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// The whole connection string, secrets included, for the driver alone.
    public let text: String

    /// Takes a connection string.
    /// - Throws: `SettingFault`, in words that hold nothing of the text, since any part of it may be the password.
    public init(parsing text: String) throws(SettingFault) {
        let start = Substring(text)
        guard let rest = start.droppingPrefix("mongodb://") ?? start.droppingPrefix("mongodb+srv://") else {
            throw SettingFault("does not begin with mongodb:// or mongodb+srv://")
        }
        guard !rest.isEmpty else { throw SettingFault("names no host") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw SettingFault("holds a space or a control character; write it as %XX")
        }
        self.text = text
    }

    /// The connection string with `***` for everything that may be a secret: the password, and every option that is not
    /// known to be harmless.
    ///
    /// The text may be malformed (an `@` or a `/` in a password, not encoded), so everything up to the *last* `@` is
    /// taken for credentials, and what does not look like a host or a database's name is not shown either.
    public var redacted: String {
        guard let mark = self.text.firstIndex(of: ":") else { return "***" }
        let scheme = self.text[..<mark]
        var rest = self.text[mark...].dropFirst(3)
        var credentials = ""
        if let at = rest.lastIndex(of: "@") {
            let userInfo = rest[..<at]
            let user = userInfo.prefix { $0 != ":" }
            credentials = user != userInfo && Self.isPlain(user, and: ".%+") ? "\(user):***@" : "***@"
            rest = rest[rest.index(after: at)...]
        }
        let hosts = rest.prefix { $0 != "/" && $0 != "?" }
        rest = rest[hosts.endIndex...]
        let path = rest.prefix { $0 != "?" }
        let options = rest[path.endIndex...].dropFirst()

        var shown = "\(scheme)://\(credentials)"
        shown += hosts.split(separator: ",").map { Self.looksLikeHost($0) ? String($0) : "***" }.joined(separator: ",")
        if !path.isEmpty { shown += "/" + (Self.isPlain(path.dropFirst()) ? path.dropFirst() : "***") }
        if !options.isEmpty {
            shown += "?" + options.split(separator: "&").map(Self.shownOption).joined(separator: "&")
        }
        return shown
    }

    public var description: String { self.redacted }

    public var customMirror: Mirror { Mirror(self, children: ["uri": self.redacted]) }

    /// Options of the connection string specification that never hold a secret, in lower case
    /// (https://www.mongodb.com/docs/manual/reference/connection-string-options/).
    private static let harmlessOptions: Set<String> = [
        "appname", "authmechanism", "authsource", "compressors", "connecttimeoutms", "directconnection",
        "heartbeatfrequencyms", "journal", "loadbalanced", "localthresholdms", "maxidletimems", "maxpoolsize",
        "maxstalenessseconds", "minpoolsize", "readconcernlevel", "readpreference", "replicaset", "retryreads",
        "retrywrites", "serverselectiontimeoutms", "sockettimeoutms", "ssl", "tls", "w", "waitqueuetimeoutms",
        "wtimeoutms",
    ]

    private static func shownOption(_ option: Substring) -> String {
        let name = option.prefix { $0 != "=" }
        guard name != option, isPlain(name) else { return "***" }
        let isShown = harmlessOptions.contains(name.lowercased()) && isPlain(option[name.endIndex...], and: "=.,%+")
        return isShown ? String(option) : "\(name)=***"
    }

    private static func looksLikeHost(_ text: Substring) -> Bool {
        let host: Substring
        let afterHost: Substring
        if text.first == "[" {
            host = text.dropFirst().prefix { $0 != "]" }
            afterHost = text[host.endIndex...].dropFirst()
        } else {
            host = text.prefix { $0 != ":" }
            afterHost = text[host.endIndex...]
        }
        guard HostRules.isHost(host) else { return false }
        return afterHost.isEmpty || afterHost.first == ":" && WholeNumber.parse(afterHost.dropFirst()) != nil
    }

    /// Whether a text holds nothing but ASCII letters, digits, `_`, `-` and the others that are named.
    private static func isPlain(_ text: Substring, and others: String = "") -> Bool {
        text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || others.contains($0)) }
    }
}
