import TallyCore
import TallyTrack

/// What /get-metric is asked for.
struct MetricQuery {
    let client: Name
    let test: Name?

    /// - Throws: `Problem` 400 with every fault of the query.
    init(_ query: String) throws(Problem) {
        var parameters = QueryParameters(query, known: ["clientName", "testID"])
        let client = parameters.client("clientName")
        let test = parameters.name("testID")
        guard let client, parameters.faults.isEmpty else {
            throw Problem(
                status: 400, detail: "the query is not one that can be answered; see errors", faults: parameters.faults)
        }
        self.client = client
        self.test = test
    }
}
