public import TallyCore

/// A query outside the hot path: known parameters, decoded. The rules are those of /track: `+` is a space, broken
/// percent-encoding and a repeated parameter are faults, unknown parameters are ignored.
public struct QueryParameters: Sendable {
    private var values: [String: [UInt8]] = [:]
    /// What is wrong, in the order in which it was met.
    public private(set) var faults: [ParameterFault] = []

    public init(_ query: String, known: [String]) {
        for pair in query.utf8.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            let rawName = Array(pair[..<(equals ?? pair.endIndex)])
            let rawValue = equals.map { Array(pair[pair.index(after: $0)...]) } ?? []
            guard let name = Self.decode(rawName) else {
                self.faults.append(
                    .init(
                        parameter: "query",
                        detail: "has a name with broken percent-encoding; write a percent sign itself as %25"))
                continue
            }
            let value = Self.decode(rawValue)
            guard let known = known.first(where: { $0.utf8.elementsEqual(name) }) else {
                if value == nil {
                    self.faults.append(
                        .init(
                            parameter: "query",
                            detail: "has broken percent-encoding; write a percent sign itself as %25"))
                }
                continue
            }
            if let value, self.values.updateValue(value, forKey: known) != nil {
                self.faults.append(.init(parameter: known, detail: "is given more than once"))
            } else if value == nil {
                self.faults.append(.init(parameter: known, detail: FormScanner.brokenEncoding))
                self.values[known] = []
            }
        }
    }

    /// A client's name, or nil and a fault where it is missing or no name.
    public mutating func client(_ parameter: String) -> Name? {
        guard let bytes = self.values[parameter] else {
            self.faults.append(.init(parameter: parameter, detail: "is missing"))
            return nil
        }
        return self.name(parameter, bytes, fault: NameRules.faultInClient(bytes))
    }

    /// Another name, or nil where it is not given; where it is given and no name, nil and a fault.
    public mutating func name(_ parameter: String) -> Name? {
        guard let bytes = self.values[parameter] else { return nil }
        return self.name(parameter, bytes, fault: NameRules.faultInName(bytes))
    }

    private mutating func name(_ parameter: String, _ bytes: [UInt8], fault: String?) -> Name? {
        guard let fault else { return Name(utf8: bytes) }
        if !self.faults.contains(where: { $0.parameter == parameter }) {
            self.faults.append(.init(parameter: parameter, detail: fault))
        }
        return nil
    }

    private static func decode(_ encoded: [UInt8]) -> [UInt8]? {
        var decoded: [UInt8] = []
        return encoded.withUnsafeBytes { PercentEncoding.decode($0, into: &decoded) } ? decoded : nil
    }
}
