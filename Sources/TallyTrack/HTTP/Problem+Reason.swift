extension Problem {
    /// The kinds of problems, as metrics and logs name them. A fixed set: each is a series.
    public enum Reason: String, CaseIterable, Sendable {
        /// 400: parameters, body or the request itself are not as they should be.
        case invalid
        /// 403: the address may not call.
        case forbidden
        /// 404: a path that is not there, or a client that nothing was flushed for.
        case notFound = "not_found"
        /// 405
        case method
        /// 408: the request did not come in time.
        case timeout
        /// 413, 431
        case tooLarge = "too_large"
        /// 415
        case unsupportedType = "unsupported_type"
        /// 422: a bound on names is reached.
        case nameBound = "name_bound"
        /// 503: as many event IDs are remembered as are allowed.
        case idBound = "id_bound"
        /// 503: too much is waiting.
        case overloaded
        /// 503: a connection over MAX_CONNECTIONS.
        case tooManyConnections = "too_many_connections"
        /// 503: nowhere to keep a count, or nothing to read from.
        case unavailable
        /// 504: nobody knows whether it was counted.
        case unknown
        /// 500, and whatever is not listed.
        case failed

        init(status: Int) {
            self =
                switch status {
                case 400: .invalid
                case 403: .forbidden
                case 404: .notFound
                case 405: .method
                case 408: .timeout
                case 413, 431: .tooLarge
                case 415: .unsupportedType
                case 422: .nameBound
                case 503: .unavailable
                case 504: .unknown
                default: .failed
                }
        }
    }
}
