public import TallyCore
public import TallyFlush

extension FlushReport {
    /// `moved 10,000 counts of 500 counters into 20 documents, in 1 batch`.
    public var summary: String {
        "moved \(Quantity.of(self.total, "count")) of \(Quantity.of(self.counters, "counter")) into "
            + "\(Quantity.of(self.documents, "document")), in \(Quantity.of(self.batches, "batch", "batches"))"
    }
}

extension DeadLetterReport {
    /// `moved 12 counts in 3 records; 1 document is complete again`.
    public var summary: String {
        "moved \(Quantity.of(self.total, "count")) in \(Quantity.of(self.batches, "record")); "
            + "\(Quantity.of(self.documents, "document")) \(self.documents == 1 ? "is" : "are") complete again"
    }
}

/// Numbers with their nouns.
public enum Quantity {
    /// `1 batch`, `10,000 batches`.
    public static func of(_ number: some BinaryInteger, _ noun: String, _ plural: String? = nil) -> String {
        "\(self.grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// `10,000`.
    public static func grouped(_ number: some BinaryInteger) -> String {
        var text = ""
        for (index, digit) in String(number.magnitude).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + String(text.reversed())
    }
}
