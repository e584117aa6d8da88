import TallyConfig
import Testing

@Suite struct RedisURLTests {
    @Test(
        "a URL is taken apart",
        arguments: [
            ("redis://localhost", RedisURL(host: "localhost")),
            ("REDIS://localhost/", RedisURL(host: "localhost")),
            ("redis://my_redis:6380", RedisURL(host: "my_redis", port: 6380)),
            ("rediss://cache.example.com/3", RedisURL(host: "cache.example.com", database: 3, tls: true)),
            ("redis://10.0.0.1:1/15", RedisURL(host: "10.0.0.1", port: 1, database: 15)),
            ("redis://[::1]", RedisURL(host: "::1")),
            ("redis://[2001:db8::1]:65535/0", RedisURL(host: "2001:db8::1", port: 65_535)),
            ("redis://:pass@h", RedisURL(host: "h", password: "pass")),
            ("redis://user:pass@h:1/2", RedisURL(host: "h", port: 1, user: "user", password: "pass", database: 2)),
            ("redis://user:a:b@h", RedisURL(host: "h", user: "user", password: "a:b")),
            (
                "redis://u%40x:p%2Fs%3a%23%C3%A9%25@h",
                RedisURL(host: "h", user: "u@x", password: "p/s:#é%")
            ),
        ])
    func parts(text: String, url: RedisURL) throws {
        #expect(try RedisURL(parsing: text) == url)
    }

    @Test(
        "anything else is refused, in words that hold nothing of it",
        arguments: [
            ("", "does not begin with"),
            ("secret", "does not begin with"),
            ("http://:secret@h", "does not begin with"),
            ("redis:/secret", "does not begin with"),
            ("redis://", "names no host"),
            ("redis:///0", "names no host"),
            ("redis://:secret@", "names no host"),
            ("redis://:secret@:6379", "names no host"),
            ("redis://secret@host", "no : before the @"),
            ("redis://secret:@host", "empty password"),
            ("redis://:@host", "empty password"),
            ("redis://:secret@secret@host", "more than one @"),
            ("redis://:sec/ret@host", "written %2F"),
            ("redis://:secret?@host", "%3F"),
            ("redis://:secret#@host", "%23"),
            ("redis://host?secret=1", "no options are known"),
            ("redis://:secret%@host", "percent-encoding"),
            ("redis://:secret%2@host", "percent-encoding"),
            ("redis://:secret%zz@host", "percent-encoding"),
            ("redis://:secret%FF@host", "percent-encoding"),
            ("redis://:secret @host", "holds a space"),
            ("redis://:sécret@host", "outside ASCII"),
            ("redis://host:secret", "port"),
            ("redis://host:", "port"),
            ("redis://host:0", "port"),
            ("redis://host:65536", "port"),
            ("redis://host:+1", "port"),
            ("redis://host:99999999999999999999", "port"),
            ("redis://host/secret", "database"),
            ("redis://host/-1", "database"),
            ("redis://host/01", "database"),
            ("redis://host/0/", "database"),
            ("redis://host/99999999999", "database"),
            ("redis://::1", "in brackets"),
            ("redis://[::1", "does not close"),
            ("redis://[secret]", "in brackets"),
            ("redis://[::1]x", "port"),
            ("redis://999.1.1.1", "neither a name nor an address"),
            ("redis://sec$ret", "neither a name nor an address"),
        ])
    func refused(text: String, words: String) throws {
        let fault = try #require(throws: SettingFault.self) { try RedisURL(parsing: text) }
        #expect(fault.description.contains(words), "\(fault)")
        #expect(!fault.description.contains("secret") && !fault.description.contains("sec/ret"), "\(fault)")
    }

    @Test(
        "it is written with stars for the password",
        arguments: [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("rediss://:hunter2@[::1]:1/2", "rediss://:***@[::1]:1/2"),
            ("redis://a%40b:hunter2@h", "redis://a%40b:***@h:6379/0"),
        ])
    func redaction(text: String, shown: String) throws {
        let url = try RedisURL(parsing: text)
        #expect(url.description == shown)
        #expect(renderings(of: url).allSatisfy { !$0.contains("hunter2") })
    }
}

@Suite struct MongoDBURITests {
    @Test(
        "a connection string with a known scheme is left to the driver",
        arguments: ["mongodb://h", "mongodb+srv://user:p@h.example.com/db?w=majority", "mongodb://a:1,b:2,[::1]:3/"])
    func taken(text: String) throws {
        #expect(try MongoDBURI(parsing: text).text == text)
    }

    @Test(
        "anything else is refused, in words that hold nothing of it",
        arguments: [
            "", "secret", "mongo://secret", "mongodb:/secret", "mongodb://", "mongodb+srv://", "mongodb://sec ret",
        ])
    func refused(text: String) throws {
        let fault = try #require(throws: SettingFault.self) { try MongoDBURI(parsing: text) }
        #expect(!fault.description.contains("sec"), "\(fault)")
    }

    @Test(
        "it is written with stars for whatever may be a secret",
        arguments: [
            ("mongodb://localhost", "mongodb://localhost"),
            ("mongodb://a:1,b,[::1]:3/tally?replicaSet=rs0&w=1", "mongodb://a:1,b,[::1]:3/tally?replicaSet=rs0&w=1"),
            ("mongodb://user:hunter2@h/db", "mongodb://user:***@h/db"),
            ("mongodb+srv://user:hunter2@h", "mongodb+srv://user:***@h"),
            ("mongodb://:hunter2@h", "mongodb://:***@h"),
            ("mongodb://hunter2@h", "mongodb://***@h"),
            ("mongodb://user:hunter2", "mongodb://***"),
            ("mongodb://user:hun@hunter2@h", "mongodb://user:***@h"),
            ("mongodb://user:hunter2/x?y@h/db", "mongodb://user:***@h/db"),
            ("mongodb://h/hunter2%21", "mongodb://h/***"),
            ("mongodb://h?hunter2", "mongodb://h?***"),
            (
                "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=hunter2&AUTHSOURCE=admin",
                "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=***&AUTHSOURCE=admin"
            ),
            (
                "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
                "mongodb://h/?authMechanismProperties=***"
            ),
            ("mongodb://h/?appName=x;password=hunter2", "mongodb://h/?appName=***"),
            ("mongodb://h/?appName=x&\u{301}password=hunter2", "mongodb://h/?appName=***"),
        ])
    func redaction(text: String, shown: String) throws {
        let uri = try MongoDBURI(parsing: text)
        #expect(uri.redacted == shown)
        #expect(renderings(of: uri).allSatisfy { !$0.contains("hunter2") })
    }
}

/// Every way in which a value may come into a log by accident.
func renderings(of value: some Any) -> [String] {
    var dumped = ""
    dump(value, to: &dumped)
    return ["\(value)", String(reflecting: value), "\([value])", "\(Optional(value) as Any)", dumped]
}
