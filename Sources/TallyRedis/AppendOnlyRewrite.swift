import Logging
import NIOCore
import TallyCore

/// Has Redis write its append-only file anew after a change of its run, and waits until that has succeeded.
///
/// Redis cuts a torn end off when it starts, but counts on a file that it has not synced: a fragment of a script's
/// effects can be there again at the next start. Written anew, the file holds what is in memory and nothing else. Until
/// then nothing is counted in this Redis; the spool takes it.
///
/// Any rewrite will do that this run of Redis has begun. Where Redis keeps no such file there is nothing to do; where a
/// managed Redis does not allow the command, that is said, and counting goes on.
///
/// - Source: https://redis.io/docs/latest/commands/bgrewriteaof/ and, for the fields, /commands/info/
final class AppendOnlyRewrite {
    /// How often Redis is asked whether it is done.
    static let interval: TimeAmount = .milliseconds(50)
    /// After this long it counts as a long wait. A small file is written anew in a tenth of that.
    static let patience: TimeAmount = .milliseconds(500)

    private let session: RedisSession
    private let connection: RedisConnection
    private let completion: (Result<Void, BufferError>) -> Void
    /// Called once, where the wait is a long one.
    private var mustWait: (() -> Void)?
    private let began = NIODeadline.now()
    /// Whether a rewrite of this run has been seen or asked for.
    private var hasAsked = false

    init(
        session: RedisSession, connection: RedisConnection, mustWait: @escaping () -> Void,
        completion: @escaping (Result<Void, BufferError>) -> Void
    ) {
        self.session = session
        self.connection = connection
        self.mustWait = mustWait
        self.completion = completion
    }

    func start() { self.look() }

    private func look() {
        self.ask(["INFO", "persistence"]) { [self] reply in
            let state = PersistenceState(reply.text ?? "")
            if !state.keepsAppendOnlyFile { return self.finish() }
            if state.isRewriting {
                self.hasAsked = true
                return self.lookAgain()
            }
            guard self.hasAsked else { return self.rewrite() }
            guard state.lastRewriteSucceeded else {
                return self.completion(
                    .failure(
                        BufferError(
                            .refused,
                            "Redis at \(self.session.endpoint) could not rewrite its append-only file after its restart; "
                                + "see its log, and whether its disk is full. Nothing is counted in it until then")))
            }
            self.finish()
        }
    }

    private func lookAgain() {
        if let mustWait = self.mustWait, NIODeadline.now() - self.began > Self.patience {
            self.mustWait = nil
            mustWait()
        }
        self.connection.channel.eventLoop.assumeIsolated().scheduleTask(in: Self.interval) { self.look() }
    }

    private func rewrite() {
        self.hasAsked = true
        self.connection.send(["BGREWRITEAOF"], within: RedisConnection.entryTimeout) { [self] result in
            switch result {
            case .failure(let error): self.completion(.failure(error))
            // Another one, or a snapshot, is under way: then this one is due after it, and is waited for.
            case .success(.error(let message)) where message.contains("in progress"):
                self.hasAsked = message.contains("rewriting already in progress")
                self.lookAgain()
            case .success(.error(let message)):
                self.session.logger.log(
                    .redisRewriteRefused,
                    "Redis does not allow its append-only file to be rewritten; what was torn at its end may come back",
                    [.redis: self.session.endpoint.description, .answer: message])
                self.finish()
            case .success:
                self.session.logger.log(
                    .redisRewriting,
                    "Redis writes its append-only file anew after its restart; nothing is counted in it until that is done",
                    [.redis: self.session.endpoint.description])
                self.lookAgain()
            }
        }
    }

    private func finish() {
        self.ask(["HDEL", self.session.keys.meta, "rewrite"]) { [self] _ in self.completion(.success(())) }
    }

    private func ask(_ command: [String], _ next: @escaping (RESPValue) -> Void) {
        self.connection.send(command, within: RedisConnection.entryTimeout) { [self] result in
            switch result {
            case .failure(let error): self.completion(.failure(error))
            case .success(.error(let message)):
                self.completion(
                    .failure(
                        BufferError(
                            .refused, "Redis at \(self.session.endpoint) refused \(command[0]): \(message)")))
            case .success(let reply): next(reply)
            }
        }
    }
}
