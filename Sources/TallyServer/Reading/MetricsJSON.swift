import TallyCore
import TallyTrack

/// The answers of /get-metric and /clients as JSON, in the order of the contract.
enum MetricsJSON {
    static func render(_ metrics: ClientMetrics) -> [UInt8] {
        var json = JSONText()
        json.raw(#"{"clientName":"#)
        json.string(metrics.client.string)
        json.raw(#","flushedAt":"\#(Timestamp.iso8601(metrics.flushedAt))","tests":["#)
        for (index, test) in metrics.tests.enumerated() {
            if index > 0 { json.raw(",") }
            self.write(test, to: &json)
        }
        json.raw("]}")
        return json.bytes
    }

    static func render(_ clients: [ClientSummary]) -> [UInt8] {
        var json = JSONText()
        json.raw(#"{"clients":["#)
        for (index, client) in clients.enumerated() {
            json.raw(index == 0 ? #"{"clientName":"# : #",{"clientName":"#)
            json.string(client.client.string)
            json.raw(#","tests":\#(client.tests),"total":\#(client.total),"#)
            json.raw(#""updatedAt":"\#(Timestamp.iso8601(client.updatedAt))"}"#)
        }
        json.raw("]}")
        return json.bytes
    }

    private static func write(_ test: TestMetrics, to json: inout JSONText) {
        json.raw(#"{"testID":"#)
        json.string(test.test.string)
        json.raw(#","variations":"#)
        self.write(test.variations, to: &json)
        json.raw(#","total":\#(test.total),"events":{"#)
        for (index, event) in test.events.enumerated() {
            if index > 0 { json.raw(",") }
            json.string(event.name.string)
            json.raw(":")
            self.write(event.variations, to: &json)
        }
        json.raw(#"},"firstTrackedAt":"\#(Timestamp.iso8601(test.firstTrackedAt))","#)
        json.raw(#""updatedAt":"\#(Timestamp.iso8601(test.updatedAt))"}"#)
    }

    private static func write(_ variations: [TestMetrics.Variation], to json: inout JSONText) {
        json.raw("{")
        for (index, variation) in variations.enumerated() {
            if index > 0 { json.raw(",") }
            json.string(variation.name.string)
            json.raw(":\(variation.count)")
        }
        json.raw("}")
    }
}
