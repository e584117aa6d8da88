internal import TallyCore

extension TrackParser {
    /// Makes the one item of a request that is no batch.
    mutating func finishSingle(_ given: GivenParameters) throws(TrackRejection) -> TrackShape {
        self.addItem(given, shared: GivenParameters())
        guard self.faults.isEmpty else { throw self.faults.rejection() }
        return .single
    }

    /// Sums up a batch whose items have been added.
    mutating func finishBatch(itemCount: Int) throws(TrackRejection) -> TrackShape {
        // An empty batch is looked at after the faults of the query, which would refuse a full one too.
        guard self.faults.isEmpty else { throw self.faults.rejection() }
        guard itemCount > 0 else {
            throw TrackRejection(status: 400, detail: "the body holds no item; send at least one JSON object")
        }
        // At most 1,000 items of 1,000,000 each.
        return .batch(accepted: self.items.reduce(0) { $0 + $1.count })
    }

    /// Checks, once, what the query gives for all items of a batch.
    mutating func checkShared(_ query: GivenParameters) {
        for parameter in TrackParameter.names where query[parameter].marks.contains(.given) {
            self.check(query[parameter], parameter)
        }
        // It would make all items but the first duplicates.
        if query[.eventID].marks.contains(.given) {
            self.faults.add(
                .eventID, "is for one event; give each item of the batch its own instead of one in the query")
        }
        self.faults.endItem()
    }

    /// Adds the item made of what it gives itself and, for the rest, of what was checked before by `checkShared`; or
    /// its faults.
    mutating func addItem(_ own: GivenParameters, shared: GivenParameters) {
        let client = self.choose(.clientName, own, shared)
        let test = self.choose(.testID, own, shared)
        let variation = self.choose(.variation, own, shared)
        let event = self.choose(.event, own, shared)
        let eventID = own[.eventID]
        if eventID.marks.contains(.given) { self.check(eventID, .eventID) }
        let count = own[.count].marks
        if count.contains(.repeated) { self.faults.add(.count, Self.repeated) }
        if count.contains(.wrongType) {
            self.faults.add(.count, "must be a whole number from 1 to \(JSONItem.maximumCount)")
        }
        self.faults.endItem()
        // One fault refuses the whole request, so nothing needs to be kept from there on.
        guard self.faults.isEmpty else { return }

        let offset = self.fields.count
        self.append(client)
        self.fields.append(CounterField.separator)
        self.append(test)
        self.fields.append(CounterField.separator)
        self.append(variation)
        self.fields.append(CounterField.separator)
        if event.marks.contains(.given) {
            self.append(event)
        } else {
            self.fields.append(contentsOf: self.defaultEvent)
        }
        let length = self.fields.count - offset
        if eventID.marks.contains(.given) {
            self.append(eventID)
            self.hasEventIDs = true
        }
        self.items.append(TrackItem(offset: offset, length: length, idLength: eventID.length, count: own.number))
    }

    private static let repeated = "is given more than once"

    /// Which value of a parameter counts for an item. Adds a fault where there is none, or two, or a bad one.
    @inline(__always)
    private mutating func choose(
        _ parameter: TrackParameter, _ own: GivenParameters, _ shared: GivenParameters
    ) -> GivenValue {
        var value = own[parameter]
        let isShared = shared[parameter].marks.contains(.given)
        if value.marks.contains(.given) {
            if isShared { value.marks.insert(.repeated) }
            self.check(value, parameter)
            return value
        }
        if isShared { return shared[parameter] }
        if parameter != .event { self.faults.add(parameter, "is missing") }
        return value
    }

    /// Adds a fault for everything that is wrong with a value that was given.
    @inline(__always)
    private mutating func check(_ value: GivenValue, _ parameter: TrackParameter) {
        guard value.marks.isDisjoint(with: .faulty) else { return self.addFaults(value.marks, parameter) }
        let fault = self.values.withUnsafeBytes { [plainNames] values in
            // The value was appended to `values` when it was read, and nothing before it has been removed since.
            let name = UnsafeRawBufferPointer(rebasing: values[value.offset..<value.offset + value.length])
            return parameter == .clientName
                ? (plainNames.isClient(name) ? nil : NameRules.faultInClient(name))
                : (plainNames.isName(name) ? nil : NameRules.faultInName(name))
        }
        if let fault { self.faults.add(parameter, fault) }
    }

    private mutating func addFaults(_ marks: GivenValue.Marks, _ parameter: TrackParameter) {
        if marks.contains(.repeated) { self.faults.add(parameter, Self.repeated) }
        if marks.contains(.brokenEncoding) { self.faults.add(parameter, FormScanner.brokenEncoding) }
        if marks.contains(.wrongType) { self.faults.add(parameter, "must be a string") }
        if marks.contains(.notUnicode) { self.faults.add(parameter, JSONItem.notUnicode) }
    }

    /// Appends a checked value to the packed name, or behind it.
    @inline(__always)
    private mutating func append(_ value: GivenValue) {
        self.fields.append(contentsOf: self.values[value.offset..<value.offset + value.length])
    }
}
