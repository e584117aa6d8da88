import Testing

@testable import TallyServer

@Suite("Which form is accepted")
struct AcceptanceTests {
    @Test(
        "the most specific range gives a type's weight; what is wanted alike, or not at all, is given as JSON",
        arguments: [
            ([], false), ([""], false), (["*/*"], false), (["application/json"], false), (["text/csv"], true),
            (["TEXT/CSV"], true), (["text/*"], true), (["text/csv, application/json"], false),
            (["text/csv", "application/json;q=0.9"], true), (["text/csv;q=0.1, */*"], false),
            (["*/*;q=0.1, text/csv"], true), (["application/*;q=1, application/json;q=0.1, text/csv;q=0.5"], true),
            (["text/*, text/csv;q=0.2, application/json;q=0.3"], false), (["text/csv ; q=0.5 , */* ; q=0.4"], true),
            (["text/csv;header=present;q=0.5, application/json;q=0.6"], false), (["text/csv;q=0"], false),
            (["text/csv;q=0, application/json;q=0"], false), (["application/json;q=0, */*"], true),
            (["application/json;q=0, */*;q=0"], false), (["text/html"], false), (["text/csv;q=much"], true),
            (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false),
        ] as [([String], Bool)])
    func prefersCSV(_ accept: [String], _ expected: Bool) {
        #expect(Acceptance(accept).prefersCSV == expected, "\(accept)")
    }
}
