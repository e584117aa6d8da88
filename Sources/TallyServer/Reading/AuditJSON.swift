import TallyCore
import TallyFlush

/// The books as JSON: sums, then the same for each buffer and each of its epochs.
enum AuditJSON {
    static func render(_ report: AuditReport) -> [UInt8] {
        var json = JSONText()
        json.raw(#"{"balanced":\#(report.isBalanced),"checkedAt":"\#(Timestamp.iso8601(report.checkedAt))","#)
        self.write(report.sums, restored: report.restored, elsewhere: report.elsewhere, to: &json)
        json.raw(#","buffers":["#)
        for (index, buffer) in report.buffers.enumerated() {
            json.raw(index == 0 ? #"{"buffer":"# : #",{"buffer":"#)
            json.string(buffer.buffer)
            json.raw(#","balanced":\#(buffer.isBalanced),"#)
            self.write(buffer.sums, restored: buffer.restored, elsewhere: buffer.elsewhere, to: &json)
            json.raw(#","epochs":["#)
            for (index, epoch) in buffer.epochs.enumerated() {
                if index > 0 { json.raw(",") }
                json.raw(#"{"epoch":"\#(epoch.epoch)","current":\#(epoch.isCurrent),"balanced":\#(epoch.isBalanced),"#)
                self.write(epoch.sums, restored: epoch.restored, elsewhere: epoch.elsewhere, to: &json)
                json.raw("}")
            }
            json.raw("]}")
        }
        json.raw(#"],"others":{"#)
        self.write(report.others, restored: 0, elsewhere: 0, to: &json)
        json.raw("}}")
        return json.bytes
    }

    /// Where the books cannot be read.
    /// - Parameters:
    ///   - part: `buffer` or `store`.
    ///   - now: in seconds since 1970.
    static func renderUnreadable(_ part: String, reason: String, at now: Int64) -> [UInt8] {
        var json = JSONText()
        json.raw(
            #"{"balanced":false,"checkedAt":"\#(Timestamp.iso8601(now))","unreadable":{"part":"\#(part)","reason":"#)
        json.string(reason)
        json.raw("}}")
        return json.bytes
    }

    private static func write(_ sums: AuditSums, restored: Int64, elsewhere: Int64, to json: inout JSONText) {
        json.raw(
            #""accepted":\#(sums.accepted),"persisted":\#(sums.persisted),"pending":\#(sums.pending),"#
                + #""deadLettered":\#(sums.deadLettered),"restored":\#(restored),"#
                + #""elsewhere":\#(elsewhere)"#)
    }
}
