import TallyCore
import TallyTestSupport
import Testing

@testable import tally

@Suite("Tables for a person")
struct TableTests {
    private let long = Name(String(repeating: "n", count: 64))

    private func metrics(_ test: Name = "cta") -> ClientMetrics {
        ClientMetrics(
            client: "acme", flushedAt: 1_795_430_700,
            tests: [
                TestMetrics(
                    test: test,
                    variations: [.init(name: "A", count: 5_012), .init(name: "緑", count: 4_988)], total: 10_000,
                    events: [
                        .init(name: "purchase", variations: [.init(name: "A", count: 120), .init(name: "緑", count: 2)])
                    ],
                    firstTrackedAt: 0, updatedAt: 0),
                TestMetrics(
                    test: "title", variations: [.init(name: "old", count: 1)], total: 1, events: [], firstTrackedAt: 0,
                    updatedAt: 0),
            ])
    }

    @Test("in a file or a pipe every line names its test and event, and no bar or colour is there")
    func piped() {
        #expect(
            MetricsTable.render(self.metrics()) == """
                acme, as of 2026-11-23T10:45:00Z: 2 tests, 10,001 views

                test   event     variation  count    share  of views
                -----  --------  ---------  -----  -------  --------
                cta    view      A          5,012   50.1 %
                cta    view      緑         4,988   49.9 %
                cta    purchase  A            120   98.4 %     2.4 %
                cta    purchase  緑             2    1.6 %    <0.1 %
                title  view      old            1  100.0 %
                """)
    }

    @Test("on a terminal a name stands once, tests stand apart, and shares are bars")
    func terminal() {
        #expect(
            MetricsTable.render(self.metrics(), on: Terminal(width: 80)) == """
                acme, as of 2026-11-23T10:45:00Z: 2 tests, 10,001 views

                test   event     variation  count    share  of views
                -----  --------  ---------  -----  -------  --------
                cta    view      A          5,012   50.1 %            █████████████
                                 緑         4,988   49.9 %            █████████████
                       purchase  A            120   98.4 %     2.4 %  █████████████████████████▋
                                 緑             2    1.6 %    <0.1 %  ▍

                title  view      old            1  100.0 %            ██████████████████████████
                """)
    }

    @Test("no line is wider than the terminal, down to 60 columns; names give way, numbers do not", arguments: 60...140)
    func width(_ width: Int) {
        let lines = MetricsTable.render(self.metrics(self.long), on: Terminal(width: width)).split(separator: "\n")
        for line in lines { #expect(String(line).columns <= width, "\(line)") }
        #expect(lines.contains { $0.contains("5,012   50.1 %") })
        #expect(lines.contains { $0.contains("n…") } == (width < 123))
    }

    @Test("colours change no width")
    func colours() {
        let plain = MetricsTable.render(self.metrics(), on: Terminal(width: 80))
        let colored = MetricsTable.render(self.metrics(), on: Terminal(width: 80, isColored: true))
        #expect(plain != colored)
        #expect(colored.replacing(/\u{1B}\[[0-9;]*m/, with: "") == plain)
    }

    @Test(
        "columns are counted as a terminal shows them",
        arguments: [
            ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("🎉", 2), ("✔\u{FE0F}", 2), ("a\u{200B}b", 2), ("", 0),
        ])
    func columns(_ text: String, _ columns: Int) { #expect(text.columns == columns) }

    @Test("what does not fit is cut at a whole character")
    func fitted() {
        #expect("abcdef".fitted(to: 6) == "abcdef")
        #expect("abcdef".fitted(to: 4) == "abc…")
        #expect("日本語".fitted(to: 4) == "日…")
    }

    @Test("a share that is not quite none, or not quite all, is not rounded to it")
    func percent() {
        #expect(
            [0, 0.0004, 0.0005, 0.1234, 0.9996, 1, 2.5].map(Percent.text) == [
                "0.0 %", "<0.1 %", "0.1 %", "12.3 %", ">99.9 %", "100.0 %", "250.0 %",
            ])
        #expect(
            Bar.text(0, width: 10).isEmpty && Bar.text(0.0001, width: 10) == "▏" && Bar.text(1, width: 10).count == 10)
    }
}

extension EndToEnd {
    @Suite struct Terminals {
        @Test("a command knows whether it writes to a terminal, and how wide that is")
        func metrics() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            for variation in ["A", "B", "B", "B"] {
                #expect(
                    try await TestConnection.once(
                        port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=\(variation)"
                    ).status == 200)
            }
            #expect(try await tally.run(["flush"]).exit == .code(0))

            let wide = try await tally.runOnTerminal(["metrics", "acme"], columns: 100)
            #expect(wide.exit == .code(0))
            #expect(wide.output.contains("\u{1B}[36m\(Bar.text(0.75, width: 40))\u{1B}[0m"), "\(wide.output)")
            let narrow = try await tally.runOnTerminal(["metrics", "acme"], columns: 60, settings: ["NO_COLOR": "1"])
            #expect(!narrow.output.contains("\u{1B}"))
            let lines = narrow.output.split(separator: "\n").map(String.init)
            #expect(lines.allSatisfy { $0.columns <= 60 } && lines.contains { $0.contains("75.0 %  ██") }, "\(lines)")
            let set = try await tally.runOnTerminal(
                ["clients"], columns: 100, settings: ["NO_COLOR": "1", "COLUMNS": "60"])
            #expect(
                set.output.contains("acme") && set.output.split(separator: "\n").allSatisfy { String($0).columns <= 60 }
            )
            #expect(try await !tally.run(["metrics", "acme"]).output.contains("█"))
        }
    }
}
