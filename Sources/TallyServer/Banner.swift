public import TallyConfig
import TallyCore

/// The first screen: where it is, where data lies, who may call, when the next flush is, and a line to try.
public enum Banner {
    public static func text(_ service: RunningService, _ settings: Settings, version: String) -> String {
        let example = "curl '\(service.url)/track?clientName=acme&testID=cta&variation=B'"
        var lines = [
            "tally \(version)", "",
            "  listening   \(service.url)",
            "  counts      \(self.place(of: service.storage.buffer.kind, settings, service.storage))",
            "  kept        \(settings.mongoDBURI.map { "MongoDB, \($0.redacted)" } ?? self.place(of: "embedded", settings, service.storage))",
            "  may track   \(self.list(settings.trackAllowed.ranges))   (TRACK_ALLOWED_IPS)",
            "  may read    \(self.list(settings.readAllowed.ranges))   (READ_ALLOWED_IPS)",
        ]
        if let next = service.nextFlush {
            lines.append("  next flush  \(Timestamp.iso8601(next))   (FLUSH_SCHEDULE \(settings.flushSchedule.text))")
        }
        lines += [
            "", "  try         \(example)",
            "  then        curl '\(service.url)/get-metric?clientName=acme'   after the next flush", "",
            "  Settings come from flags, the environment, or a file named .env; .env.example explains each. Stop with Ctrl-C.",
            "",
        ]
        return lines.joined(separator: "\n")
    }

    private static func place(of buffer: String, _ settings: Settings, _ storage: Storage) -> String {
        if buffer == "redis", let redis = settings.redis {
            return "Redis, \(redis), keys {\(settings.redisKeyPrefix)}:*"
        }
        return storage.embeddedPath.map { "embedded, \($0)" } ?? "embedded"
    }

    private static func list(_ ranges: [some CustomStringConvertible]) -> String {
        ranges.isEmpty ? "nobody" : ranges.map(\.description).joined(separator: ", ")
    }
}
