import Logging
import NIOCore
import TallyCore

/// What all connections of one deployment have in common, and the hello that each of them begins with.
struct RedisSession: Sendable {
    let endpoint: RedisEndpoint
    let keys: RedisKeys
    let bounds: NameBounds
    let eventIDs: EventIDBounds
    /// The store that the counts go to; a prefix belongs to one. See `Scripts/hello.lua`.
    let owner: String
    let logger: Logger

    /// After this long an unanswered batch with event IDs is not sent again: its senders may have sent it again
    /// themselves, through another instance, and the IDs must still be remembered when this one arrives. Half of the
    /// window, so that the other half is left for what is under way.
    var retryIDsWithin: TimeAmount { TimeAmount(self.eventIDs.window / 2) }

    /// What is said while an append-only file is written anew.
    var isRewriting: BufferError {
        BufferError(
            .unavailable,
            "Redis at \(self.endpoint) writes its append-only file anew; nothing is counted in it until that is done")
    }

    /// Says hello, sees to what has to be done before anything is counted, and calls back with the epoch under which this
    /// Redis counts.
    /// - Parameter mustWait: called where that takes long: the append-only file is written anew.
    func sayHello(
        on connection: RedisConnection, mustWait: @escaping () -> Void,
        completion: @escaping (Result<Epoch, BufferError>) -> Void
    ) {
        let candidate = Epoch.random()
        let command = [
            "EVAL", RedisScript.hello.source, "1", self.keys.meta, self.keys.base, candidate.description, self.owner,
        ]
        connection.send(command, within: RedisConnection.entryTimeout) { result in
            FailPoint.reach(.inHello)
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.error(let message)) where message.contains("TALLYOWNED"):
                completion(.failure(self.ownedByAnother(message)))
            case .success(let reply):
                guard let parts = reply.array, parts.count == 3, let epoch = parts[0].text.flatMap({ Epoch($0) }) else {
                    return completion(.failure(reply.unexpected("hello")))
                }
                if parts[1].text == "changed" {
                    self.logger.log(
                        .redisEpochChanged,
                        "Redis was restarted, restored or promoted; counting goes on under a new epoch",
                        [.redis: self.endpoint.description, .epoch: epoch.description])
                }
                guard parts[2].text == "1" else { return completion(.success(epoch)) }
                AppendOnlyRewrite(session: self, connection: connection, mustWait: mustWait) { result in
                    completion(result.map { epoch })
                }.start()
            }
        }
    }

    private func ownedByAnother(_ message: String) -> BufferError {
        let owner = message.split(separator: "TALLYOWNED ").last.map(String.init) ?? "another store"
        return BufferError(
            .ownedByAnother,
            """
            the keys \(self.keys.base)* in Redis at \(self.endpoint) belong to a tally whose store is \(owner), and this \
            one's store is \(self.owner): going on would split the counts over two stores. Give this instance another \
            REDIS_KEY_PREFIX; or set MONGODB_URI for all instances; or, if the other one is gone for good, run \
            redis-cli HDEL '\(self.keys.meta)' owner
            """)
    }
}
