/// What a request to /track is answered.
enum TrackResponse {
    case counted
    /// A batch; the sum of its counts.
    case countedAll(Int64)
    /// Boxed, so that the answer that nearly every request gets is small to pass around.
    indirect case problem(Problem)
    /// HEAD: what GET would say, without counting and without a body.
    case head
    /// OPTIONS: the methods.
    case options
}
