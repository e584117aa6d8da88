/// Why a request was not understood; nothing of it may be counted.
public struct TrackRejection: Error, Sendable, Equatable {
    /// The HTTP status: 400, or 413 for a body that is too large.
    public let status: Int
    /// What is wrong, for the caller. Holds at most 64 bytes of what the caller sent, as printable ASCII.
    public let detail: String
    /// The parameters at fault, at most `FaultList.maximumListed` of them; empty where the body as a whole is at fault.
    public let faults: [ParameterFault]

    public init(status: Int, detail: String, faults: [ParameterFault] = []) {
        self.status = status
        self.detail = detail
        self.faults = faults
    }
}

/// What is wrong with one parameter.
public struct ParameterFault: Sendable, Equatable {
    /// `variation`, or `[3].variation` for the fourth item of a batch; an unknown parameter's name as printable ASCII.
    public let parameter: String
    /// What is wrong, to be read after the name: `is missing`.
    public let detail: String

    public init(parameter: String, detail: String) {
        self.parameter = parameter
        self.detail = detail
    }
}
