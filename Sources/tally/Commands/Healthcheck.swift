import ArgumentParser
import TallyConfig
import TallyServer

struct Healthcheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the service that runs on this machine whether it is ready, for containers and scripts.",
        discussion: """
            Sends GET /readyz to HOST and PORT, from the same settings as the service. Exit code 0 where it is ready; 1
            where it is not, or does not answer in time, with a line that says why. The reasons of the service itself
            show where this machine may read (READ_ALLOWED_IPS).

            Examples:
              tally healthcheck
              tally healthcheck --port 9000 --timeout 5
            """)

    @Option(help: ArgumentHelp("How long to wait for the answer, in seconds.", valueName: "seconds"))
    var timeout = 3
    @OptionGroup var options: SettingOptions

    func validate() throws {
        guard (1...300).contains(self.timeout) else { throw ValidationError("--timeout takes 1 to 300 seconds") }
    }

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            guard settings.port != 0 else {
                throw StartError(
                    .configuration, "PORT is 0, so the service took a port that is not known here; set PORT")
            }
            let reason: String
            do {
                let answer = try await ReadinessProbe.run(
                    host: settings.host, port: settings.port, isEncrypted: settings.tls != nil,
                    timeout: .seconds(self.timeout))
                if answer.status == 200 { return print("ready") }
                reason = "it answered with \(answer.status) \(answer.body)"
            } catch let error as StartError {
                reason = error.description
            }
            printError("tally: not ready: \(reason)")
            throw ExitCode(ExitStatus.checkFailed)
        }
    }
}
