// Foundation to read the file at the root of the repository.
import Foundation
import TallyTestSupport
import Testing

@testable import TallyConfig

@Suite struct EnvExampleTests {
    @Test(
        "what is made from the table of keys is current",
        arguments: [(".env.example", EnvExample.render()), ("docs/configuration.md", SettingsDocument.render())])
    func fileIsCurrent(path: String, rendered: String) throws {
        let file = MadeDocument.file(path)
        if MadeDocument.isRewritten { try Data(rendered.utf8).write(to: file) }
        #expect(
            try Data(contentsOf: file) == Data(rendered.utf8),
            "write \(path) anew with TALLY_UPDATE_EXAMPLES=1 swift test --filter EnvExampleTests")
    }

    @Test("as it is, it sets nothing")
    func setsNothing() throws {
        #expect(try DotEnv.parse(EnvExample.render()).isEmpty)
    }

    @Test("with every key uncommented it is a configuration without warnings, and names every key once")
    func uncommented() throws {
        let text = EnvExample.render().split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasPrefix("#") && !line.hasPrefix("# ") ? line.dropFirst() : line
        }.joined(separator: "\n")
        #expect(try DotEnv.parse(text).map(\.key) == SettingKey.all.map(\.name))
        let settings = try load(file: text)
        #expect(settings.warnings.isEmpty)
        #expect(settings.port == 8080)
        #expect(settings.redis?.password == "password")
    }

    @Test("its lines fit a terminal of 100 columns, but for values")
    func width() {
        let lines = EnvExample.render().split(separator: "\n").filter { $0.hasPrefix("# ") }
        #expect(lines.allSatisfy { $0.count <= 100 })
    }
}
