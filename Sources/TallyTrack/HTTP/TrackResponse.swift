/// What a request to /track is answered.
enum TrackResponse {
    case counted
    /// A batch; the sum of its counts.
    case countedAll(Int64)
    /// A single count whose event ID is remembered.
    case duplicate
    /// A batch with items whose event IDs are remembered: the sum of what was counted, and how many items were not.
    indirect case countedSome(accepted: Int64, duplicates: Int)
    /// Boxed, so that the answer that nearly every request gets is small to pass around.
    indirect case problem(Problem)
    /// 503, from bytes that are kept ready: there may be very many of them.
    case overloaded
    /// The same to HEAD: no body (RFC 9110, section 9.3.2), or it would be taken for the next answer.
    indirect case problemToHead(Problem)
    /// HEAD: what GET would say, without counting and without a body.
    case head
    /// OPTIONS: the methods.
    case options

    var status: Int {
        switch self {
        case .counted, .countedAll, .duplicate, .countedSome, .head: 200
        case .options: 204
        case .overloaded: Problem.overloaded.status
        case .problem(let problem), .problemToHead(let problem): problem.status
        }
    }
}
