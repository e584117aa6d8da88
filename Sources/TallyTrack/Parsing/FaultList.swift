/// Gathers the faults of one request. Memory is bounded: it lists the first few and counts the rest.
struct FaultList {
    /// How many faults a rejection lists.
    static let maximumListed = 20

    private(set) var total = 0
    private var listed: [ParameterFault] = []
    /// Faults of unknown parameters, which stand after those of the known ones although they are met first.
    private var postponed: [ParameterFault] = []
    private var item: (index: Int, line: Int?)?

    var isEmpty: Bool { self.total == 0 }

    /// The faults that follow belong to this item of a batch, counted from 0; `line` is its line in NDJSON, from 1.
    mutating func enterItem(_ index: Int, line: Int?) { self.item = (index, line) }

    /// Adds a fault of a known parameter; without a parameter, of the item itself.
    mutating func add(_ parameter: TrackParameter?, _ detail: String) {
        self.total += 1
        if self.listed.count < Self.maximumListed { self.listed.append(self.fault(parameter?.name, detail)) }
    }

    /// Adds a fault of a parameter that tally does not know, to be listed at `endItem`.
    mutating func postpone(unknown name: UnsafeRawBufferPointer, _ detail: String) {
        self.total += 1
        guard self.postponed.count < Self.maximumListed else { return }
        self.postponed.append(self.fault(name.isEmpty ? "(empty name)" : SafeText.show(name), detail))
    }

    /// Lists what was postponed, now that the known parameters are through.
    mutating func endItem() {
        guard !self.postponed.isEmpty else { return }
        self.listed.append(contentsOf: self.postponed.prefix(Self.maximumListed - self.listed.count))
        self.postponed.removeAll()
    }

    mutating func removeAll() {
        if self.total > 0 { self = FaultList() }
        self.item = nil
    }

    /// The refusal of a request that has faults.
    func rejection() -> TrackRejection {
        let detail =
            if self.total == 1, let fault = self.listed.first {
                "\(fault.parameter) \(fault.detail)"
            } else if self.total <= Self.maximumListed {
                "\(self.total) faults, listed under errors"
            } else {
                "\(self.total) faults, the first \(Self.maximumListed) of them listed under errors"
            }
        return TrackRejection(status: 400, detail: detail, faults: self.listed)
    }

    private func fault(_ name: String?, _ detail: String) -> ParameterFault {
        guard let item = self.item else { return ParameterFault(parameter: name ?? "body", detail: detail) }
        return ParameterFault(
            parameter: "[\(item.index)]" + (name.map { ".\($0)" } ?? ""),
            detail: item.line.map { "\(detail) (line \($0))" } ?? detail)
    }
}
