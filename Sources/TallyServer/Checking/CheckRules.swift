import TallyConfig
import TallyCore
import TallyMongo
import TallyRedis

/// What is safe and what is not: the rules of `tally check`, from facts to findings. No input or output of its own.
enum CheckRules {
    /// A clock that is further off than this puts counts into the wrong hour, in seconds.
    static let clockTolerance = 5.0
    /// Below this much free space, in bytes, a busy day could fill the disk.
    static let leastFreeBytes: Int64 = 1_000_000_000

    // MARK: Redis

    static func redis(_ redis: RedisInspection, at endpoint: String) -> [Finding] {
        var findings = [Finding(.fine, "Redis", "reached at \(endpoint), version \(redis.version)")]
        if self.isOlder(redis.version, than: (6, 2)) {
            findings.append(
                Finding(
                    .note, "Redis", "version \(redis.version) is older than what tally is tested with",
                    mend: "use Redis 7 or later"))
        }
        if redis.role != "master" {
            findings.append(
                Finding(
                    .unsafe, "Redis", "this is a replica (role \(redis.role))",
                    means: "it takes no writes, so nothing can be counted in it",
                    mend: "let REDIS_URL name the primary"))
        }
        findings += self.persistence(redis)
        findings += self.memory(redis)
        findings += self.replication(redis)
        findings += self.clock(redis.clockAheadSeconds, of: "Redis")
        return findings
    }

    private static func persistence(_ redis: RedisInspection) -> [Finding] {
        guard redis.keepsAppendOnlyFile else {
            return [
                Finding(
                    .unsafe, "Redis", "it keeps no append-only file",
                    means: "when Redis stops for whatever reason, every count since the last flush is lost",
                    mend: "set appendonly yes and appendfsync always in redis.conf")
            ]
        }
        var findings: [Finding] = []
        switch redis.appendfsync {
        case "always":
            findings.append(
                Finding(.fine, "Redis", "append-only file, synced before every answer (appendfsync always)"))
        case "no":
            findings.append(
                Finding(
                    .unsafe, "Redis", "the append-only file is synced when the system likes (appendfsync no)",
                    means: "when the machine loses power, the counts of up to half a minute are lost",
                    mend: "set appendfsync always, or at least everysec, in redis.conf"))
        case "everysec":
            findings.append(
                Finding(
                    .note, "Redis", "the append-only file is synced every second (appendfsync everysec)",
                    means: "when Redis or its machine crashes, the counts of up to two seconds can be lost",
                    mend: "set appendfsync always in redis.conf for the full promise; batching makes it cheap"))
        default:
            findings.append(
                Finding(
                    .note, "Redis", "how often the append-only file is synced cannot be asked (CONFIG is not allowed)",
                    means: "unless it is `always`, a crash can lose the counts of two seconds"))
        }
        if !redis.lastAppendSucceeded {
            findings.append(
                Finding(
                    .unsafe, "Redis", "its last write to the append-only file failed",
                    means: "Redis refuses counts until it can write again; callers get 503 meanwhile",
                    mend: "look at Redis' log, and at the space on its disk"))
        }
        if !redis.lastRewriteSucceeded {
            findings.append(
                Finding(
                    .unsafe, "Redis", "its last rewrite of the append-only file failed",
                    means:
                        "the file grows without end, and after a restart nothing is counted in Redis until one succeeds",
                    mend: "look at Redis' log, and at the space on its disk"))
        }
        return findings
    }

    private static func memory(_ redis: RedisInspection) -> [Finding] {
        var findings: [Finding] = []
        if redis.maxmemoryPolicy == "noeviction" {
            findings.append(
                Finding(.fine, "Redis", "nothing is evicted when memory is short (maxmemory-policy noeviction)"))
        } else {
            findings.append(
                Finding(
                    .unsafe, "Redis", "maxmemory-policy is \(redis.maxmemoryPolicy)",
                    means: "when its memory is full, Redis throws counts away and says nothing",
                    mend: "set maxmemory-policy noeviction in redis.conf"))
        }
        if redis.maxmemory > 0, redis.usedMemory * 10 > redis.maxmemory * 8 {
            findings.append(
                Finding(
                    .unsafe, "Redis",
                    "\(redis.usedMemory * 100 / redis.maxmemory) % of maxmemory (\(Bytes.words(redis.maxmemory))) is in use",
                    means: "when it is full, counts are refused with 503",
                    mend:
                        "raise maxmemory, or see why the flush does not empty the buffer (\(redis.pendingEntries) pending)"
                ))
        }
        return findings
    }

    private static func replication(_ redis: RedisInspection) -> [Finding] {
        guard redis.replicas > 0 else { return [] }
        if let least = redis.minReplicasToWrite, least > 0 {
            return [Finding(.fine, "Redis", "\(redis.replicas) replicas, min-replicas-to-write \(least)")]
        }
        return [
            Finding(
                .note, "Redis", "\(redis.replicas) replicas, and min-replicas-to-write is not set",
                means: "a primary that is cut off goes on counting; what it counted is lost when a replica takes over",
                mend: "set min-replicas-to-write 1 and min-replicas-max-lag 10 in redis.conf")
        ]
    }

    // MARK: MongoDB

    static func mongoDB(_ mongo: MongoInspection, at hosts: String) -> [Finding] {
        var findings = [Finding(.fine, "MongoDB", "reached at \(hosts), version \(mongo.version)")]
        if self.isOlder(mongo.version, than: (4, 4)) {
            findings.append(
                Finding(
                    .unsafe, "MongoDB", "version \(mongo.version) is older than 4.4",
                    means: "tally is not tested with it", mend: "use MongoDB 4.4 or later"))
        }
        if let fault = mongo.majorityFault {
            findings.append(
                Finding(
                    .unsafe, "MongoDB", "a write was not confirmed by a majority of the members: \(fault)",
                    means: "nothing can be flushed; counts wait in the buffer",
                    mend: "bring the members back, or see the user's role: tally needs readWrite on its database"))
        } else {
            findings.append(Finding(.fine, "MongoDB", "a majority confirms writes, with journal"))
        }
        switch (mongo.replicaSet, mongo.members) {
        case (nil, _):
            findings.append(
                Finding(
                    .note, "MongoDB", "a single server, no replica set",
                    means: "what is flushed is as safe as that one server's disk",
                    mend: "use a replica set of three members, and back it up"))
        case (let name?, ..<3):
            findings.append(
                Finding(
                    .note, "MongoDB", "replica set \(name) has \(mongo.members) data-bearing member(s)",
                    means: "when one is lost, so is the majority, or the data", mend: "use three members"))
        case (let name?, let members):
            findings.append(Finding(.fine, "MongoDB", "replica set \(name), \(members) members"))
        }
        return findings + self.clock(mongo.clockAheadSeconds, of: "MongoDB")
    }

    /// - Parameter queues: what documents refused, and waits for somebody to mend them.
    static func deadLetters(_ queues: [DeadLetterQueue]) -> [Finding] {
        guard !queues.isEmpty else { return [Finding(.fine, "MongoDB", "no dead letters")] }
        // The hours hold the counts of the totals a second time.
        let totals = queues.filter { $0.day == nil }.reduce(0) { $0 + $1.total }
        let hours = queues.filter { $0.day != nil }.reduce(0) { $0 + $1.total }
        let mend = "see tally.deadletters for the reason, mend the documents, then run: tally flush --dead-letters"
        var findings: [Finding] = []
        if totals > 0 {
            findings.append(
                Finding(
                    .unsafe, "MongoDB",
                    "\(Quantity.of(totals, "count")) \(totals == 1 ? "waits" : "wait") in dead letters, since MongoDB "
                        + "refused their documents",
                    means: "they are kept, and are missing from the numbers", mend: mend))
        }
        if hours > 0 {
            findings.append(
                Finding(
                    .unsafe, "MongoDB",
                    "the hours of \(Quantity.of(hours, "count")) wait in dead letters, since MongoDB refused their "
                        + "documents",
                    means: "they are kept, and are missing from the history and from tally export", mend: mend))
        }
        return findings
    }

    /// What keeps the marks in MongoDB's documents from being pruned, which nobody but the operator can end.
    static func stuckEpochs(_ epochs: [StuckEpoch]) -> [Finding] {
        let keeps = "until then documents keep a mark of each later epoch, 26 bytes for every start of a buffer"
        return epochs.map { stuck in
            switch stuck.origin {
            case .file(let kind):
                Finding(
                    .note, "MongoDB", "\(kind): begun and not finished, and not gone on with for 30 days", means: keeps,
                    mend: "repeat that import; what is in is not counted again")
            case .buffer(let kind):
                Finding(
                    .note, "MongoDB",
                    "batch \(stuck.epoch):\(stuck.begun) (\(kind)) is applied in part, and nothing came of its buffer for "
                        + "30 days",
                    means: "the rest of it is in that buffer; \(keeps)",
                    mend:
                        "bring the buffer back and flush it. If it is gone for good, run in mongosh: "
                        + "db[\"tally.epochs\"].updateOne({_id: \"\(stuck.epoch)\"}, "
                        + "{$set: {lastNumber: NumberLong(\"\(stuck.begun)\")}}); the next flush ends its epoch then")
            }
        }
    }

    // MARK: The machine and the settings

    static func dataDirectory(_ facts: DataDirectoryFacts) -> [Finding] {
        var findings: [Finding] = []
        if facts.freeBytes < self.leastFreeBytes {
            findings.append(
                Finding(
                    .unsafe, "disk", "\(Bytes.words(facts.freeBytes)) free in \(facts.path) (DATA_DIR)",
                    means: "when it is full, counts are refused with 503",
                    mend: "free some space, or let DATA_DIR name a larger disk"))
        } else {
            findings.append(Finding(.fine, "disk", "\(Bytes.words(facts.freeBytes)) free in \(facts.path) (DATA_DIR)"))
        }
        for file in facts.openToOthers {
            findings.append(
                Finding(
                    .unsafe, "files",
                    "\(file.path) may be \(file.isWritable ? "changed" : "read") by other users (mode \(file.mode))",
                    means: file.isWritable ? "others could change counts" : "others could read counts",
                    mend: "chmod go-rwx \(file.path)"))
        }
        return findings
    }

    /// - Parameter envFileMode: the permissions of the `.env` file that was read; nil where there was none.
    static func settings(_ settings: Settings, envFileMode: UInt32?) -> [Finding] {
        var findings: [Finding] = []
        let secrets = settings.effective.filter { setting in
            guard setting.key.details.holdsSecret, case .envFile = setting.origin else { return false }
            return setting.shown?.contains("***") == true
        }
        if let mode = envFileMode, mode & 0o077 != 0, let first = secrets.first,
            case .envFile(let path, _) = first.origin
        {
            findings.append(
                Finding(
                    .unsafe, "settings",
                    "\(path) holds the password of \(first.key.name) and may be read by other users (mode \(Octal.text(mode)))",
                    means: "whoever reads it can change or delete counts", mend: "chmod 600 \(path)"))
        }
        for (key, list) in [
            (SettingKey.trackAllowedIPs, settings.trackAllowed), (.readAllowedIPs, settings.readAllowed),
        ] {
            if let open = list.ranges.first(where: { $0.prefixLength == 0 }) {
                findings.append(
                    Finding(
                        .unsafe, "settings", "\(key.name) holds \(open), which is everybody",
                        means: key == .trackAllowedIPs
                            ? "whoever reaches this port can count what they like"
                            : "whoever reaches this port can read every client's numbers",
                        mend: "name the addresses of your VPN or of your systems in \(key.name)"))
            } else {
                findings.append(
                    Finding(
                        .fine, "settings",
                        "\(key.name) lets in \(list.ranges.map(\.description).joined(separator: ", "))"))
            }
        }
        for range in settings.trustedProxies.ranges where range.prefixLength == 0 {
            findings.append(
                Finding(
                    .unsafe, "settings", "TRUSTED_PROXIES holds \(range), which is everybody",
                    means: "whoever reaches this port can claim any address with X-Forwarded-For",
                    mend: "name your proxies' addresses in TRUSTED_PROXIES"))
        }
        return findings
    }

    // MARK: Words

    private static func clock(_ ahead: Double, of server: String) -> [Finding] {
        let seconds = Int(ahead.magnitude.rounded())
        guard ahead.magnitude > self.clockTolerance else {
            return [Finding(.fine, server, "its clock agrees with this machine's")]
        }
        return [
            Finding(
                .unsafe, server, "its clock is \(seconds) s \(ahead > 0 ? "ahead of" : "behind") this machine's",
                means: "counts fall into the wrong hour of the history; totals are right",
                mend: "set the clocks by NTP on both machines")
        ]
    }

    private static func isOlder(_ version: String, than least: (Int, Int)) -> Bool {
        let parts = version.split(separator: ".").compactMap { Int($0) }
        guard parts.count >= 2 else { return false }
        return (parts[0], parts[1]) < least
    }
}

/// Amounts of memory in words; 1 MB is 1,000,000 bytes.
enum Bytes {
    static func words(_ bytes: Int64) -> String {
        bytes >= 10_000_000_000 ? "\(bytes / 1_000_000_000) GB" : "\(bytes / 1_000_000) MB"
    }
}

/// Permissions as people write them: `600`.
enum Octal {
    static func text(_ mode: UInt32) -> String { String(mode & 0o777, radix: 8) }
}
