/// Where Redis is and how to log in: `redis://[[user]:password@]host[:port][/database]`, `rediss://` for TLS.
///
/// The syntax is that of the provisional URI schemes redis and rediss
/// (https://www.iana.org/assignments/uri-schemes/prov/redis), without their query parameters. User and password are
/// percent-decoded; an IPv6 address stands in brackets. Whatever prints a value of this type, the password is not
/// shown.
public struct RedisURL: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// A name or an address; an IPv6 address without its brackets.
    public let host: String
    /// 1 to 65535; 6379 where the URL names none.
    public let port: Int
    /// Nil where the URL names none; Redis then takes the user `default`.
    public let user: String?
    /// Never empty.
    public let password: String?
    /// 0 where the URL names none.
    public let database: Int
    public let tls: Bool

    public static let defaultPort = 6379

    public init(
        host: String, port: Int = defaultPort, user: String? = nil, password: String? = nil, database: Int = 0,
        tls: Bool = false
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.database = database
        self.tls = tls
    }

    /// Reads a URL.
    /// - Throws: `SettingFault`, in words that hold nothing of the text, since any part of it may be the password.
    public init(parsing text: String) throws(SettingFault) {
        var rest = Substring(text)
        if let withTLS = rest.droppingPrefix("rediss://") {
            self.tls = true
            rest = withTLS
        } else if let plain = rest.droppingPrefix("redis://") {
            self.tls = false
            rest = plain
        } else {
            throw SettingFault("does not begin with redis:// or rediss://")
        }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw SettingFault("holds a space or a character outside ASCII; write it as %XX")
        }
        guard !rest.contains("?"), !rest.contains("#") else {
            throw SettingFault("holds ? or #; no options are known, and in a password they are written %3F and %23")
        }

        let authority = rest.prefix { $0 != "/" }
        self.database = try Self.database(fromPath: rest[authority.endIndex...])

        let parts = authority.split(separator: "@", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: (self.user, self.password) = (nil, nil)
        case 2: (self.user, self.password) = try Self.credentials(parts[0])
        default: throw SettingFault("holds more than one @; in a password it is written %40")
        }
        (self.host, self.port) = try Self.hostAndPort(parts[parts.count - 1])
    }

    /// The URL with `***` for the password, for logs and for people.
    public var description: String {
        var text = self.tls ? "rediss://" : "redis://"
        if self.password != nil { text += PercentEncoding.encode(self.user ?? "") + ":***@" }
        text += self.host.contains(":") ? "[\(self.host)]" : self.host
        return text + ":\(self.port)/\(self.database)"
    }

    public var customMirror: Mirror { Mirror(self, children: ["url": self.description]) }

    // MARK: - Parts

    private static func database(fromPath path: Substring) throws(SettingFault) -> Int {
        guard path.utf8.count > 1 else { return 0 }
        guard let number = WholeNumber.parse(path.dropFirst()), number <= Int(Int32.max) else {
            throw SettingFault(
                "names a database that is not a whole number; after host:port only /0, /1 and so on may follow, "
                    + "and a / in a password is written %2F"
            )
        }
        return number
    }

    private static func credentials(_ text: Substring) throws(SettingFault) -> (user: String?, password: String) {
        guard let colon = text.firstIndex(of: ":") else {
            throw SettingFault("has no : before the @; write user:password@ or :password@")
        }
        guard let user = PercentEncoding.decode(text[..<colon]),
            let password = PercentEncoding.decode(text[text.index(after: colon)...])
        else { throw SettingFault("has a broken percent-encoding before the @; a % itself is written %25") }
        guard !password.isEmpty else { throw SettingFault("has an empty password; leave out everything up to the @") }
        return (user.isEmpty ? nil : user, password)
    }

    private static func hostAndPort(_ text: Substring) throws(SettingFault) -> (host: String, port: Int) {
        let host: Substring
        let afterHost: Substring
        if text.first == "[" {
            guard let bracket = text.firstIndex(of: "]") else { throw SettingFault("opens a [ and does not close it") }
            host = text[text.index(after: text.startIndex)..<bracket]
            afterHost = text[text.index(after: bracket)...]
            guard host.contains(":"), HostRules.isHost(host) else {
                throw SettingFault("has something else than an IPv6 address in brackets")
            }
        } else {
            host = text.prefix { $0 != ":" }
            afterHost = text[host.endIndex...]
            if afterHost.dropFirst().contains(":") {
                throw SettingFault("has more than one : after the @; an IPv6 address stands in brackets")
            }
            guard !host.isEmpty else { throw SettingFault("names no host") }
            guard HostRules.isHost(host) else { throw SettingFault("has a host that is neither a name nor an address") }
        }
        if afterHost.isEmpty { return (String(host), self.defaultPort) }
        guard afterHost.first == ":", let port = WholeNumber.parse(afterHost.dropFirst()), (1...65_535).contains(port)
        else {
            throw SettingFault(
                "has a port that is not a whole number within 1 to 65535; "
                    + "if that is a part of the password, write / in it as %2F"
            )
        }
        return (String(host), port)
    }
}

extension Substring {
    /// What follows the prefix, in whatever case it is written; nil where it does not begin with it.
    func droppingPrefix(_ prefix: String) -> Substring? {
        let head = self.prefix(prefix.count)
        return head.lowercased() == prefix ? self[head.endIndex...] : nil
    }
}
