import TallyAccess
import TallyCore

/// An answer to a request that failed, as `application/problem+json`.
///
/// - Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457
public struct Problem: Error, Sendable, Equatable {
    public let status: Int
    /// What kind of problem it is, for metrics and logs.
    public let reason: Reason
    /// What is wrong and what to do, for a person.
    public let detail: String
    /// The parameters at fault, all of them.
    public let faults: [ParameterFault]
    /// When to try again, in seconds.
    public var retryAfterSeconds: Int?
    /// The methods that the resource has, for a 405.
    public var allow: String?

    /// - Parameter reason: needed where the status alone does not tell, as with 503.
    public init(
        status: Int, reason: Reason? = nil, detail: String, faults: [ParameterFault] = [],
        retryAfterSeconds: Int? = nil, allow: String? = nil
    ) {
        self.status = status
        self.reason = reason ?? Reason(status: status)
        self.detail = detail
        self.faults = faults
        self.retryAfterSeconds = retryAfterSeconds
        self.allow = allow
    }

    public init(_ rejection: TrackRejection) {
        self.init(status: rejection.status, detail: rejection.detail, faults: rejection.faults)
    }

    /// The status' name in HTTP.
    public var title: String {
        switch self.status {
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 406: "Not Acceptable"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: "Error"
        }
    }

    /// The JSON document. `type` is `about:blank`: the status says what kind of problem it is.
    public var json: [UInt8] {
        var json = JSONText()
        json.raw(#"{"type":"about:blank","title":"#)
        json.string(self.title)
        json.raw(#","status":\#(self.status),"detail":"#)
        json.string(self.detail)
        if !self.faults.isEmpty {
            json.raw(#","errors":["#)
            for (index, fault) in self.faults.enumerated() {
                json.raw(index == 0 ? #"{"parameter":"# : #",{"parameter":"#)
                json.string(fault.parameter)
                json.raw(#","detail":"#)
                json.string(fault.detail)
                json.raw("}")
            }
            json.raw("]")
        }
        json.raw("}")
        return json.bytes
    }
}

extension Problem {
    static func boundReached(_ refusal: Refusal, field: some Collection<UInt8>) -> Problem {
        guard let names = CounterField.unpack(field) else { preconditionFailure("only packed names are sent") }
        return switch refusal {
        case .tooManyClients:
            Problem(
                status: 422, detail: "client \(names.client) is new, and no more clients are taken; see MAX_CLIENTS",
                faults: [.init(parameter: "clientName", detail: "is one client too many")])
        case .tooManyTests:
            Problem(
                status: 422,
                detail:
                    "test \(names.test) is new, and client \(names.client) has as many tests as are taken; see MAX_TESTS_PER_CLIENT",
                faults: [.init(parameter: "testID", detail: "is one test too many for the client")])
        case .tooManyVariations:
            Problem(
                status: 422,
                detail:
                    "variation \(names.variation) is new, and test \(names.test) has as many as are taken; see MAX_VARIATIONS_PER_TEST",
                faults: [.init(parameter: "variation", detail: "is one variation too many for the test")])
        case .tooManyEvents:
            Problem(
                status: 422,
                detail:
                    "event \(names.event) is new, and test \(names.test) has as many as are taken; see MAX_EVENTS_PER_TEST",
                faults: [.init(parameter: "event", detail: "is one event too many for the test")])
        case .tooManyIDs:
            // Not forgetting one early in favour of a new one: that would risk counting something twice.
            Problem(
                status: 503, reason: .idBound,
                detail:
                    "not counted: as many event IDs are remembered as DEDUPE_MAX_IDS allows. It is safe to send this again later; if it goes on, raise DEDUPE_MAX_IDS or shorten DEDUPE_WINDOW",
                retryAfterSeconds: 10)
        }
    }

    static func notCounted(_ reason: String) -> Problem {
        Problem(status: 503, detail: "not counted: \(reason). It is safe to send this again", retryAfterSeconds: 1)
    }

    /// Nil where the caller is allowed.
    static func forbidden(_ decision: AccessRule.Decision) -> Problem? {
        decision.refusal.map { Problem(status: 403, detail: "\($0) (TRACK_ALLOWED_IPS)") }
    }

    static let overloaded = Problem(
        status: 503, reason: .overloaded,
        detail: "not counted: too many requests are waiting. It is safe to send this again",
        retryAfterSeconds: 1)

    static let tooManyConnections = Problem(
        status: 503, reason: .tooManyConnections,
        detail: "too many connections are open (MAX_CONNECTIONS); nothing was read from this one, try again",
        retryAfterSeconds: 1)

    static let late = Problem(
        status: 408, detail: "the request did not arrive in time (REQUEST_TIMEOUT_S), and was not counted")

    static let headerTooLarge = Problem(
        status: 431,
        detail:
            "the request line and the header fields are larger than 32 KiB, one of them larger than 16 KiB, or there "
            + "are more than 100")

    static func malformed(_ reason: String) -> Problem {
        Problem(status: 400, detail: "this is not HTTP as it should be: \(reason)")
    }

    static let unknown = Problem(
        status: 504,
        detail:
            "the buffer gave no answer within 5 s: this may have been counted or not, and sending it again may count it twice, unless it carries the same eventID within DEDUPE_WINDOW"
    )

    static let tooLarge = Problem(
        status: 413, detail: "the body is larger than 1 MiB; send it in several requests")
}
