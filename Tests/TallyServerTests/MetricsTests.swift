import NIOHTTP1
import TallyCore
import TallyMetrics
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct MetricsForPrometheus {
        private static let track = "/track?clientName=acme&testID=cta&variation="

        private func requests(_ tally: TallyProcess) async throws -> [String: Double] {
            let samples = try await tally.metrics().filter { $0.name == "tally_track_requests_total" && $0.value > 0 }
            return Dictionary(uniqueKeysWithValues: samples.map { ($0.labels["result"] ?? "", $0.value) })
        }

        @Test("requests are told apart by what became of them, and their counts are added up")
        func results() async throws {
            let tally = try await TallyProcess.start([
                "MAX_VARIATIONS_PER_TEST": "2", "FLUSH_SCHEDULE": Deployment.never,
            ])
            let connection = try await TestConnection.connect(port: tally.port)
            let json: HTTPHeaders = ["content-type": "application/json"]
            func post(_ body: String) async throws -> Int {
                try await connection.request(.POST, "/track", headers: json, body: body).status
            }
            func item(_ more: String) -> String {
                #"{"clientName":"acme","testID":"cta","variation":"A",\#(more)}"#
            }
            for _ in 1...3 { #expect(try await connection.request(.GET, Self.track + "A").status == 200) }
            #expect(try await post("[\(item(#""count":40"#)),\(item(#""count":2"#))]") == 200)
            #expect(try await post(item(#""eventID":"x""#)) == 200)
            #expect(try await post(item(#""eventID":"x""#)) == 200)
            #expect(try await post("[\(item(#""eventID":"x","count":7"#)),\(item(#""count":1"#))]") == 200)
            #expect(try await connection.request(.GET, Self.track + "B").status == 200)
            #expect(try await connection.request(.GET, Self.track + "C").status == 422)
            #expect(try await connection.request(.GET, "/track").status == 400)
            #expect(try await connection.request(.DELETE, Self.track + "A").status == 405)
            #expect(
                try await connection.request(.POST, "/track", headers: ["content-type": "x/y"], body: "a").status == 415
            )

            #expect(
                try await self.requests(tally) == [
                    "counted": 7, "duplicate": 1, "name_bound": 1, "invalid": 1, "method": 1, "unsupported_type": 1,
                ])
            let samples = try await tally.metrics()
            #expect(samples.value("tally_track_counts_total", ["result": "counted"]) == 48)
            #expect(samples.value("tally_track_counts_total", ["result": "duplicate"]) == 8)
            #expect(samples.value("tally_track_duration_seconds_count") == 9)
            #expect(samples.value("tally_track_duration_seconds_bucket", ["le": "5"]) == 9)
            #expect(samples.value("tally_track_batch_counters_count") == 9)
            #expect(samples.value("tally_buffer_pending_counts", ["buffer": "embedded"]) == 48)
            #expect(try #require(samples.value("tally_connections")) >= 1)
        }

        @Test("flushes, jobs and the audit are measured")
        func jobs() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.everySecond])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            try await eventually("a flush") { try await tally.metrics().value("tally_flush_counts_total") == 1 }
            let samples = try await tally.metrics()
            let runs = samples.value("tally_job_runs_total", ["cron_job": "flush", "outcome": "done"])
            #expect(try #require(runs) >= 1)
            #expect(try #require(samples.value("tally_flush_duration_seconds_count")) >= 1)
            let age =
                Double(Timestamp.now()) - (try #require(samples.value("tally_flush_last_success_timestamp_seconds")))
            #expect((-1...60).contains(age))
            #expect(samples.value("tally_flush_failures_total") == 0)
            #expect(samples.value("tally_buffer_pending_counts", ["buffer": "embedded"]) == 0)
            // None was made yet, unless second 30 of a minute fell into this.
            let balanced = try #require(samples.value("tally_audit_balanced"))
            #expect(balanced.isNaN || balanced == 1)
            #expect(try #require(samples.value("process_resident_memory_bytes")) > 1_000_000)
            #expect(try #require(samples.value("process_cpu_seconds_total")) > 0)
            #expect(try #require(samples.value("process_open_fds")) > 3)
            let start = try #require(samples.value("process_start_time_seconds"))
            #expect((-2...600).contains(Double(Timestamp.now()) - start))
        }

        @Test("a job has all its series before it has run, so that its first failure is an increase")
        func jobsThatHaveNotRun() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            let samples = try await tally.metrics()
            for outcome in ["done", "failed"] {
                #expect(samples.value("tally_job_runs_total", ["cron_job": "flush", "outcome": outcome]) == 0)
                #expect(samples.value("tally_job_runs_total", ["cron_job": "audit", "outcome": outcome]) != nil)
            }
            #expect(samples.value("tally_job_skipped_ticks_total", ["cron_job": "flush"]) == 0)
        }

        @Test("a Redis that is away or frozen shows, and so does what the spool holds meanwhile")
        func outage() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(
                deployment.settings(flush: Deployment.never).merging(["SPOOL_MAX_MB": "3"]) { $1 })
            func up() async throws -> Double? {
                try await tally.metrics().value("tally_buffer_up", ["buffer": "redis"])
            }
            #expect(try await up() == 1)
            redis.pause()
            #expect(try await up() == 0, "silence counts as away")
            redis.resume()
            try await eventually("Redis to be back") { try await up() == 1 }
            try await redis.kill()
            try await eventually("counts to go to the spool", log: { tally.log }) {
                try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200
            }
            let samples = try await tally.metrics()
            #expect(samples.value("tally_buffer_up", ["buffer": "redis"]) == 0)
            #expect(samples.value("tally_buffer_pending_counts", ["buffer": "redis"])?.isNaN == true)
            #expect(samples.value("tally_buffer_up", ["buffer": "spool"]) == 1)
            #expect(samples.value("tally_buffer_pending_counts", ["buffer": "spool"]) == 1)
            #expect(samples.value("tally_spool_bytes") == 400)
            #expect(samples.value("tally_spool_max_bytes") == 3_000_000)
            #expect(samples.value("tally_store_up", ["store": "embedded"]) == 1)
        }

        @Test("callers cannot make series, and only readers see them")
        func bounded() async throws {
            let tally = try await TallyProcess.start([
                "READ_ALLOWED_IPS": "127.0.0.0/8", "FLUSH_SCHEDULE": Deployment.never,
            ])
            let before = try await tally.metrics()
            let connection = try await TestConnection.connect(port: tally.port)
            for number in 1...50 {
                _ = try await connection.request(.PUT, "/track?clientName=c\(number)&testID=t\(number)&variation=v")
                _ = try await connection.request(.GET, "/track?clientName=c\(number)&testID=t\(number)&variation=v")
                _ = try await connection.request(.GET, "/nothing-\(number)")
            }
            func series(_ samples: [MetricSample]) -> [String] {
                samples.map { "\($0.name) \($0.labels.sorted { $0.key < $1.key })" }
            }
            let after = try await tally.metrics()
            #expect(Set(series(before)) == Set(series(after)))

            let closed = try await TallyProcess.start(["READ_ALLOWED_IPS": "192.0.2.1"])
            #expect(try await TestConnection.once(port: closed.port, .GET, "/metrics").status == 403)
        }

        @Test("every metric of the table is there, and promtool has nothing to say against them")
        func promtool() async throws {
            let deployment = try await Deployment.start(.redis)
            let tally = try await TallyProcess.start(deployment.settings())
            let text = try await tally.exposition()
            for metric in Metric.allCases {
                #expect(text.contains("# TYPE \(metric.name) "), "\(metric.name) is fed by nobody")
            }
            for sample in try MetricSample.parse(text) {
                let name = ["_bucket", "_sum", "_count"].reduce(sample.name) { name, suffix in
                    Metric(rawValue: name) == nil && name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name
                }
                let metric = try #require(Metric(rawValue: name), "\(name) is not in the table")
                #expect(Set(sample.labels.keys).subtracting(["le"]) == Set(metric.details.labels), "\(name)")
            }
            let (exit, output) = try await ToolRun.run("promtool", ["check", "metrics"], input: text)
            #expect(exit == .code(0) && output.isEmpty, "\(output)")
        }

        @Test("a real Prometheus scrapes them")
        func prometheus() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            for _ in 1...5 {
                #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            }
            let prometheus = try await PrometheusServer.start(scraping: tally.port)
            try await eventually(within: .seconds(30), "a scrape", log: { tally.log }) {
                try await prometheus.query(#"tally_track_requests_total{result="counted"}"#) == [5]
            }
            #expect(try await prometheus.query(#"up{job="tally"}"#) == [1])
            #expect(try await prometheus.query("tally_build_info") == [1])
            #expect(
                try await prometheus.query("histogram_quantile(0.5, tally_track_duration_seconds_bucket)").count == 1)
        }
    }
}
