// Foundation to read files.
import Foundation
import TallyTestSupport
import Testing

/// What the repository says of itself in more than one place.
@Suite struct RepositoryTests {
    private static func text(_ path: String) throws -> String {
        try String(contentsOf: MadeDocument.file(path), encoding: .utf8)
    }

    @Test("the map in CONTRIBUTING.md lets each module know those that Package.swift lets it know")
    func modules() throws {
        var known: [String: Set<String>] = [:]
        // Each target ends where the next one begins.
        for target in try Self.text("Package.swift").components(separatedBy: "arget(").dropFirst() {
            let names = target.matches(of: /"(\w+)"/).map { String($0.1) }
            known[names[0]] = Set(names.dropFirst().filter { $0.hasPrefix("Tally") })
        }
        let rows = try Self.text("CONTRIBUTING.md").matches(of: /\| `([Tt]ally\w*)` \| .* \| (.*) \|/)
        #expect(rows.count == 13)
        for row in rows {
            let module = String(row.1)
            let said = row.2.replacing(/\([^)]*\)/, with: "").matches(of: /\w+/).map { "Tally\($0.0)" }
            #expect(Set(said) == known[module], "\(module)")
        }
    }

    @Test("every message that docs/troubleshooting.md explains is in the sources")
    func messages() throws {
        var sources = ""
        let folder = Executable.repository.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        for case let file as URL in files where file.pathExtension == "swift" {
            // A message may be written over several lines, in either way.
            sources += try String(contentsOf: file, encoding: .utf8)
                .replacing(/"\s*\n\s*\+ "/, with: "").replacing(/\\\n\s*/, with: "")
        }
        var count = 0
        for line in try Self.text("docs/troubleshooting.md").split(separator: "\n") where line.hasPrefix("| ") {
            let cell = line.dropFirst(2).prefix { $0 != "|" }
            for message in cell.matches(of: /`([^`]+)`/) {
                count += 1
                // Numbers, addresses and names in capitals are examples; what lies between them is the message.
                for part in message.1.split(separator: /…|[;:]|\S*\d\S*|\b[A-Z][A-Z_]{3,}\b|tally\.example/) {
                    let part = part.trimmingCharacters(in: CharacterSet(charactersIn: " ?"))
                    #expect(part.isEmpty || sources.contains(part), "\(message.1)")
                }
            }
        }
        #expect(count >= 20)
    }

    @Test("what git leaves alone is kept out of the image, too")
    func dockerIgnore() throws {
        // `**/` stands for any folder, which git means where it says nothing.
        let ignored = try Self.text(".dockerignore").split(separator: "\n").map { $0.replacing("**/", with: "") }
        for line in try Self.text(".gitignore").split(separator: "\n") {
            // docker takes names from the folder of the build alone, so `/` in front says nothing there.
            let name = line.trimmingCharacters(in: CharacterSet(charactersIn: "/"))
            let isKeptOut = ignored.contains { pattern in
                pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
            }
            #expect(isKeptOut, "\(line)")
        }
    }
}
