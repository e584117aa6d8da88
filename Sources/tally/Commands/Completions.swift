import ArgumentParser

struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the script by which a shell completes tally's commands and options.",
        discussion: """
            Examples:
              tally completions bash > /etc/bash_completion.d/tally
              tally completions zsh > ~/.zfunc/_tally
              tally completions fish > ~/.config/fish/completions/tally.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() {
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        print(Tally.completionScript(for: shell))
    }
}
