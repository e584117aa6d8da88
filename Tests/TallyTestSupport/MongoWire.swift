import NIOCore

/// Commands to MongoDB by OP_MSG, without a driver: what tests see in a database does not depend on the code that they
/// test. Source: https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md
struct MongoWire: Sendable {
    let port: Int

    /// Sends commands one after the other on one connection of its own.
    /// - Throws: where MongoDB cannot be reached, does not answer in time, or answers with `ok: 0`.
    func command(
        _ command: BSONDocument, database: String, within limit: Duration = .seconds(20)
    ) async throws -> BSONDocument {
        let connection = try await ByteConnection.connect(port: self.port, within: limit)
        let reply = try await Self.exchange(command, database: database, on: connection, within: limit)
        await connection.close()
        return reply
    }

    /// Reads all documents that match, batch after batch.
    func find(_ filter: BSONDocument, database: String, collection: String) async throws -> [BSONDocument] {
        let limit = Duration.seconds(20)
        let connection = try await ByteConnection.connect(port: self.port, within: limit)
        var reply = try await Self.exchange(
            ["find": .string(collection), "filter": .document(filter), "sort": ["_id": 1]], database: database,
            on: connection, within: limit)
        var documents = try Self.batch(reply, "firstBatch")
        while let cursor = reply["cursor", "id"]?.integer, cursor != 0 {
            reply = try await Self.exchange(
                ["getMore": .int64(cursor), "collection": .string(collection)], database: database, on: connection,
                within: limit)
            documents += try Self.batch(reply, "nextBatch")
        }
        await connection.close()
        return documents
    }

    private static func batch(_ reply: BSONDocument, _ name: String) throws -> [BSONDocument] {
        guard let values = reply["cursor", name]?.array else {
            throw TestSupportError("MongoDB answered a find without \(name)")
        }
        return values.compactMap(\.document)
    }

    private static func exchange(
        _ command: BSONDocument, database: String, on connection: ByteConnection, within limit: Duration
    ) async throws -> BSONDocument {
        var command = command
        command.fields.append(("$db", .string(database)))
        // Header: length, request ID, response to, opcode 2013; then flag bits, and one section of kind 0.
        let body = BSONDocument.bytes(of: UInt32(0)) + [0] + command.encoded()
        let header = [Int32(body.count + 16), 1, 0, 2013].flatMap { BSONDocument.bytes(of: $0) }
        try await connection.send(header + body)
        let reply: BSONDocument = try await connection.receive(within: limit) { buffer in
            guard let length = buffer.getInteger(at: buffer.readerIndex, endianness: .little, as: Int32.self),
                let message = buffer.readSlice(length: Int(length))
            else { return nil }
            // 16 bytes of header, 4 of flags, 1 of the section's kind.
            return try BSONDocument(decoding: Array(message.readableBytesView).dropFirst(21))
        }
        guard reply["ok"]?.integer == 1 else {
            throw TestSupportError("MongoDB refused \(command.names[0]): \(reply["errmsg"]?.string ?? "\(reply)")")
        }
        return reply
    }
}
